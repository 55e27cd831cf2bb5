"""What Dagster watches between runs: one file a subject, put together in ``build.py``."""
