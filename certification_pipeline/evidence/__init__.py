"""What was seen, as artifacts: models, store, digests. Imports neither Dagster nor any engine."""
