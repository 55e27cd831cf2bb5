"""What is worth a notice, computed from evidence alone: red gates, levels, expiry, days nobody observed.

The same evidence gives the same notices with the same keys; who was told already is for ``notify``.
"""
