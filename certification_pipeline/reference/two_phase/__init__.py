"""Two-phase commit: a coordinator with a durable log, and participants that can prepare.

Presumed abort: what has no recorded decision to commit is rolled back (docs/adr/0006).
"""
