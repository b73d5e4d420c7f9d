#!/bin/sh
# Run once by the image, on an empty data directory: a database for Tiltyard and one for MLflow, each owned by a role of its own
# that can reach nothing else. Passwords go in as variables of psql, which quotes them.
set -eu

psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set=tiltyard="$TILTYARD_DATABASE_PASSWORD" --set=mlflow="$MLFLOW_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE tiltyard LOGIN PASSWORD :'tiltyard';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE tiltyard OWNER tiltyard;
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE tiltyard FROM PUBLIC;
REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC;
-- A connection that forgot its transaction must not hold a job's row for long.
ALTER ROLE tiltyard SET idle_in_transaction_session_timeout = '60s';
SQL
