import sys
from pathlib import Path

import mlflow

with mlflow.start_run():
    mlflow.log_param("alpha_seen", sys.argv[1])
    mlflow.log_metric("score", float(sys.argv[1]) * 2)
    mlflow.set_tag("by", "the script")
    Path("report.txt").write_text("a report\n")
    mlflow.log_artifact("report.txt", artifact_path="reports")
