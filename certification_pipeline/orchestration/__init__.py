"""The Dagster layer: assets, checks, jobs, schedules, resources.

Holds no logic: it could be deleted without losing a capability.
"""
