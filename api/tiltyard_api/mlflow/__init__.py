"""MLflow behind the gateway: `/mlflow` is an MLflow server to any MLflow client, and to a browser that was let in.

MLflow has no authorisation worth the name, so it listens where the gateway alone reaches it, and what passes is what is
listed in `calls.py`, from whom `callers.py` knows, within what `rules.py` allows. MLflow itself is never imported here.
"""
