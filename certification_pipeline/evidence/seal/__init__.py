"""Signing of evidence: keys, DSSE envelopes, in-toto statements, and the files of them.

Knows formats and cryptography; what a statement must say is for the gates.
"""
