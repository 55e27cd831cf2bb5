"""Where rows go: PostgreSQL, DuckDB, SQLite, Parquet, behind one protocol. A sink knows no source."""
