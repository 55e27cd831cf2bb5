"""Deterministic tables and change rounds. Knows nothing of engines or verdicts."""
