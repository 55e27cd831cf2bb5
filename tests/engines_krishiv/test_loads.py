"""Loads with the wheel itself, judged by the oracle: green where it is right, red where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from certification_pipeline.harness.engines.protocol import ColumnSpec, DataObject, Load, LoadOptions
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics, SinkView
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.tables import build_workload
from certification_pipeline.redaction import Redactor

pytestmark = [pytest.mark.integration, pytest.mark.nightly]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSession]:
    try:
        prepared = prepare("krishiv", load_catalog().engines["krishiv"].driver)
    except EngineUnavailable as error:
        pytest.skip(f"Krishiv's environment cannot be made here: {error}")
    folder = tmp_path_factory.mktemp("krishiv")
    with Guardian() as guardian:
        running = EngineSession(
            prepared.command,
            env=prepared.env,
            cwd=folder,
            log_path=folder / "engine.log",
            redactor=Redactor(),
            guardian=guardian,
        )
        yield running
        running.close()


@pytest.mark.parametrize(
    ("sink", "strategy", "remark"),
    [
        ("parquet", Strategy.FULL_REFRESH, None),
        ("parquet", Strategy.INCREMENTAL_APPEND, None),
        ("delta", Strategy.FULL_REFRESH, "no `format`"),
        ("hudi", Strategy.INCREMENTAL_MERGE, "no Hudi table"),
    ],
)
def test_loads(
    session: EngineSession, tmp_path: Path, sink: str, strategy: Strategy, remark: str | None
) -> None:
    workload = build_workload("standard", 100, 5)
    source = open_source("parquet", str(tmp_path / "in"), "ns", "standard")
    source.seed(workload)
    types = load_catalog().types[sink]
    view = SinkView(sink, str(tmp_path / "out"), "ns", "standard", types)
    done: list[int] = []
    with Oracle(tmp_path / "oracle") as oracle:
        for number in range(3):
            if number:
                source.apply(workload.change(number))
            request = Load(
                run_id=str(number),
                source=DataObject(
                    system="parquet", dsn=str(tmp_path / "in"), namespace="ns", name="standard"
                ),
                sink=DataObject(system=sink, dsn=str(tmp_path / "out"), namespace="ns", name="standard"),
                columns=tuple(
                    ColumnSpec(name=c.name, type=c.type, nullable=c.nullable) for c in workload.spec.columns
                ),
                primary_key=("id",),
                cursor="updated_at",
                strategy=strategy,
                options=LoadOptions(cursor_nulls="exclude"),
                state_dir=str(tmp_path),
            )
            outcome = session.load(request, timeout=60)
            assert outcome.ended == "result", outcome.message
            done.append(number)
            semantics = Semantics(strategy, LoadOptions(cursor_nulls="exclude"))
            judgement = oracle.judge("load", History(workload, tuple(done)), semantics, view)
            if remark is None:
                assert judgement.outcome is Outcome.PASSED, judgement
            else:
                assert judgement.outcome is Outcome.FAILED
                assert remark in str(judgement.remark)
