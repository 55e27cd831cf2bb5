"""The real artifacts under ``golden/``, made by the real dpone 0.88.0.

``python -m tests.foreign.producing PATH/TO/dpone tests/foreign/golden/dpone-0.88.0`` makes them anew. Trimmed
in one place: the samples of the one case lose their 120 ``wide_*`` columns (98 % of the file) before anything
takes its digest. What dpone takes as input (run result, dbt files, the case's preflight file, which its
pytest suite would write) is written here, and is there beside what it made.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CASE = "postgres_to_postgres__full_refresh"
METRICS = '{"throughput_rows_per_second":95000}'
BASELINE = '{"throughput_rows_per_second":{"value":100000,"direction":"higher"}}'
INPUTS = {
    "run_result.json": {
        "run_id": "run_01",
        "process": "orders",
        "manifest": "orders.yaml",
        "status": "success",
        "passed": True,
    },
    f"matrix/{CASE}.json": {
        "case_id": CASE,
        "source": "postgres",
        "sink": "postgres",
        "strategy": "full_refresh",
    },
    "dbt_in/manifest.json": {
        "metadata": {"invocation_id": "inv-1"},
        "nodes": {
            "model.shop.orders": {
                "unique_id": "model.shop.orders",
                "name": "orders",
                "resource_type": "model",
                "package_name": "shop",
                "relation_name": "shop.orders",
                "depends_on": {"nodes": ["source.shop.raw.orders"]},
            }
        },
        "sources": {
            "source.shop.raw.orders": {
                "unique_id": "source.shop.raw.orders",
                "name": "orders",
                "resource_type": "source",
                "package_name": "shop",
                "relation_name": "raw.orders",
            }
        },
    },
    "dbt_in/run_results.json": {
        "metadata": {"invocation_id": "inv-1"},
        "results": [{"unique_id": "model.shop.orders", "status": "success"}],
    },
}
REPLAY = ("--source-type", "postgres", "--sink-type", "postgres", "--artifact-dir", "replay")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("ops", "integration-matrix-report", "--artifact-dir", "matrix", "--output-dir", "matrix_report"),
    (
        "ops", "benchmark-baseline", "--output-dir", "benchmark",
        "--metrics-json", METRICS, "--baseline-json", BASELINE, "--allowed-regression-ratio", "0.10",
    ),
    (
        "ops", "run-registry", "--output-dir", "registry", "--run-result", "run_result.json",
        "--artifact", "certification_report=matrix/certification_report.json",
    ),
    (
        "ops", "lineage-export", "--output-dir", "lineage", "--namespace", "demo",
        "--run-registry-entry", "registry/run_01__run_registry.json",
        "--input", "pg=public.orders", "--output", "pg=landing.orders",
    ),
    (
        "ops", "dbt-lineage", "--output-dir", "dbt", "--manifest", "dbt_in/manifest.json",
        "--run-results", "dbt_in/run_results.json",
        "--run-registry-entry", "registry/run_01__run_registry.json",
    ),
    ("resync", "--run-id", "run_01", "--strategy", "no_such_strategy", "--yes", *REPLAY),
    ("resync", "--run-id", "run_02", "--strategy", "partition_replace", "--partition", "2026-01-01", *REPLAY),
    ("resume", "run_01", "--strategy", "incremental_merge", *REPLAY),
    ("connectors", "certify", "--artifact-dir", "connectors"),
    (
        "strategy", "certification-bundle", "--bundle-id", "b1", "--output-dir", "strategy",
        "--replay-evidence", "replay/resync_run_01_evidence.json",
        "--matrix-artifact", "matrix/certification_report.json",
        "--connector-artifact", "connectors/connector-certification.json",
        "--benchmark-artifact", "benchmark/benchmark_baseline.json",
    ),
    (
        "ops", "certification-suite", "--output-dir", "suite", "--suite-id", "s1", "--release-id", "v1",
        "--certification-report", "matrix/certification_report.json",
        "--benchmark-baseline", "benchmark/benchmark_baseline.json",
        "--lineage-report", "lineage/run_01__openlineage.json",
        "--dbt-lineage-report", "dbt/dbt_lineage.json",
        "--strategy-certification-bundle", "strategy/strategy_certification_bundle.json",
        "--evidence-bundle", "evidence/ops_evidence_bundle.json", "--require-benchmark",
    ),
    ("ops", "certification-automation-plan", "--output-dir", "plan", "--profile", "mock_local"),
    ("ops", "artifact-index", "--root", ".", "--output-dir", "index", "--release", "v1"),
    (
        "ops", "evidence-chain", "--chain-dir", "chain", "--release", "v1",
        "--artifact-index", "index/artifact_index.json",
    ),
    (
        "ops", "release-summary", "--output-dir", "summary", "--release-id", "v1",
        "--replay-chain-dir", "chain", "--matrix-chain-dir", "chain", "--connector-chain-dir", "chain",
        "--matrix-suite", "suite/certification_suite.json",
        "--connector-suite", "suite/certification_suite.json",
    ),
)  # fmt: skip
RUN = (
    "ops", "certification-run", "--artifact-dir", "matrix", "--row-count", "100",
    "--source", "postgres", "--sink", "postgres", "--strategy", "full_refresh",
)  # fmt: skip
EVIDENCE = (
    "ops", "evidence-bundle", "--artifact-dir", "evidence", "--run-id", "run_01", "--source", "postgres",
    "--sink", "postgres", "--strategy", "full_refresh", "--row-count", "100",
    "--rows-json", '[{"id":1}]', "--contract-json", '{"columns":[{"name":"id","type":"integer"}]}',
)  # fmt: skip


def produce(dpone: Path, root: Path) -> None:
    """Every artifact once, with ``root`` as working directory: dpone's paths are relative to that."""
    root.mkdir(parents=True)
    for name, value in INPUTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(value, indent=2) + "\n")
    for command in (RUN, EVIDENCE, *COMMANDS):
        asked = subprocess.run(
            [dpone, *command, "--format", "json"], cwd=root, check=False, capture_output=True, text=True
        )
        assert "Traceback" not in asked.stderr, asked.stderr
        for behavior in root.glob(f"*/{CASE}__behavior.json"):
            trim(behavior)
    for left in root.rglob(".*.lock"):
        left.unlink()


def trim(path: Path) -> None:
    """Drop the wide columns of its samples."""
    value = json.loads(path.read_text())
    for name in ("target_before", "source_rows", "expected_rows", "actual_rows"):
        value[name] = [
            {column: cell for column, cell in row.items() if not column.startswith("wide_")}
            for row in value[name]
        ]
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    produce(Path(sys.argv[1]).absolute(), Path(sys.argv[2]))
