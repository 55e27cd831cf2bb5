"""How much is certified in these tests: two routes, and runs of a minute."""

SIZE = {"rows": 120, "seed": 7}
SCENARIOS = (
    *("strategy.full_refresh", "strategy.snapshot_diff", "batch.empty", "idem.rerun", "batch.full_refresh"),
    *("ident.funky", "schema.add", "obs.counts", "types.matrix"),
)
NARROWED = {
    "CERTIFY_ENGINES": "reference",
    "CERTIFY_ROUTES": "postgres_to_duckdb,postgres_to_sqlite",
    "CERTIFY_STRATEGIES": "full_refresh,snapshot_diff",
    "CERTIFY_SCENARIOS": ",".join(SCENARIOS),
    "CERTIFY_FAMILIES": "openlineage",
    # One after the other, so that there is a moment at which some cells are done and some are not.
    "CERTIFY_WORKERS": "1",
}
"""Its settings: by them, and not by another catalogue, so that anybody can verify what it certifies."""
