"""The reference engine: small, correct, staged, stateful; certified like any other.

Never imports the oracle.
"""
