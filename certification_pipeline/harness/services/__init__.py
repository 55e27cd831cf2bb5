"""Providers of disposable services. Knows nothing of engines, scenarios or verdicts."""
