"""The published schemas are the models', and what is written obeys them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from certification_pipeline.evidence.canonical import render
from certification_pipeline.evidence.schema import ARTIFACTS, schema_of, schemas, stale_schemas, write_schemas
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.benchmark_request import benchmark_request
from certification_pipeline.gates.decide import write_benchmark
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.report.published import read_published
from tests.calibration.builders import CLEAN, KILLS, calibrated
from tests.connectors.junit import report
from tests.connectors.test_verdict import write as write_connectors
from tests.dbt_lineage.material import Recorded
from tests.evidence.builders import ENGINE, RELEASE, provenance
from tests.gates.benchmarks import BASELINE, METRICS
from tests.gates.releases import decided_release
from tests.levels.builders import granted
from tests.openlineage.releases import exported
from tests.replay.builders import whole

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas"


def test_published_schemas_are_the_models() -> None:
    command = "python -m certification_pipeline.evidence.schema docs/schemas"
    assert stale_schemas(PUBLISHED) == (), f"run: {command}"


def test_a_stale_a_missing_and_a_surplus_schema_are_found(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    assert stale_schemas(tmp_path) == ()
    (tmp_path / "cell.v1.schema.json").write_text("{}")
    (tmp_path / "release_summary.v1.schema.json").unlink()
    (tmp_path / "gone.v1.schema.json").write_text("{}")
    assert stale_schemas(tmp_path) == (
        "cell.v1.schema.json",
        "gone.v1.schema.json",
        "release_summary.v1.schema.json",
    )


def test_every_schema_is_one() -> None:
    for text in schemas().values():
        jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_what_is_written_obeys_its_schema(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    write_benchmark(directory, "run-1", benchmark_request(METRICS, BASELINE, 0.1))
    exported(directory)
    write_connectors(directory, read_plan(directory).plan, report([]), 5)
    directory.write(whole())
    directory.write(calibrated(*CLEAN, *KILLS))
    directory.write(granted(directory))
    by_version = {
        artifact.schema_name(): jsonschema.Draft202012Validator(schema_of(artifact)) for artifact in ARTIFACTS
    }
    seen = set()
    entry = next((tmp_path / "chain").glob("*/*__*.json"))
    dbt_run, *_ = Recorded().on_disk(tmp_path / "dbt")
    second = decided_release(tmp_path / "published")
    record = tmp_path / "record.json"
    record.write_bytes(render(read_published(EvidenceStore.holding(second), RELEASE, ENGINE, provenance(80))))
    for path in (*directory.path.rglob("*.json"), entry, dbt_run.path / "dbt_lineage.json", record):
        value = json.loads(path.read_text())
        schema = by_version[value["schema_version"]]
        schema.validate(value)
        seen.add(value["schema_version"])
        with pytest.raises(jsonschema.ValidationError):
            schema.validate({**value, "surprise": 1})
        with pytest.raises(jsonschema.ValidationError):
            schema.validate({**value, "schema_version": "v0"})
    assert seen == set(by_version)
