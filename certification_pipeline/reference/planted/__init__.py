"""Planted defects that need more than a condition at their place, by subject (see :mod:`..defects`).

Each is the smallest change that makes the engine wrong in the way its catalogue entry says, and nothing runs
of it in an engine without a defect.
"""
