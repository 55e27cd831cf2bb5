"""The whole job as a few functions: plan, run, decide. What `certify` and Dagster both call.

It composes the rooms and holds no rule of its own: what a cell is worth is in ``evidence``, what a release
is worth in ``gates``.
"""
