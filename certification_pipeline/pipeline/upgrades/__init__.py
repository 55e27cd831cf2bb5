"""New versions of engines: what a package index has, what of it is certified, and an upgrade as a run.

``index`` reads the simple API, ``client`` asks uv instead, ``choice`` picks the version that would be
installed, ``watch`` holds it against ledger and catalogue, ``certify`` runs an upgrade and compares it.
"""
