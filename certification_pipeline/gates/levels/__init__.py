"""Levels computed from the ledger: pure functions over a history, and who reads and writes around them."""
