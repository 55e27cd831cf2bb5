"""Telling people: what a notice is, who receives it, and that each hears it once.

Knows nothing of gates, levels or schedules (``alerts`` says what is worth a notice), and no Dagster.
"""
