"""The Dagster code location: ``dagster dev`` and the daemon load this module and nothing else."""

from certification_pipeline.orchestration.build import build_defs

defs = build_defs()
