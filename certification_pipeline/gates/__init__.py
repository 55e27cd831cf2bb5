"""Decisions over evidence: recomputed from items, never believed.

Imports neither Dagster nor any engine.
"""
