"""Connector live tests: seed 000's checklist, each item proven by a pytest suite that ships with the package.

``produce`` runs the suite in a process of its own; ``suite/`` holds the tests. The verdict is computed from
the JUnit file (``evidence/connector_verdict.py``), never from what a test process says of itself.
"""
