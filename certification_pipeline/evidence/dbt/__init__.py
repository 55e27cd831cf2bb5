"""What dbt's own artifacts say, and what follows from them: graph, statuses, blockers.

Pure functions over bytes: whoever did the work and whoever checks it later call the same ones. Knows neither
how dbt is run nor any database.
"""
