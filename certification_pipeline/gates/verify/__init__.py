"""Verify somebody else's evidence, offline: what was changed, what it proves, and what it cannot prove.

Holds no rule of its own about evidence: it calls the recomputations of the gates, on every file below a root,
and turns what they say into findings (:mod:`finding`) and one verdict (:mod:`verdict`).
"""
