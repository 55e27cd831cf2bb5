"""The family's work on one subject: every target, then the artifact with dbt's own files beside it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.dbt.assess import START, required_roles
from certification_pipeline.evidence.dbt.decision import (
    SOURCE,
    TARGETS,
    dbt_lineage,
    left_out,
    strategy_for,
)
from certification_pipeline.evidence.dbt_lineage import (
    DBT_FOLDER,
    DbtCommand,
    DbtFile,
    DbtLineage,
    DbtTarget,
)
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.families.dbt_lineage.keeping import kept, with_digests, write
from certification_pipeline.families.dbt_lineage.on_target import OnTarget, planned_cell, profile_of
from certification_pipeline.families.dbt_lineage.process import DbtProcess
from certification_pipeline.families.work import Work
from certification_pipeline.harness.engines.environment import EngineUnavailable, PreparedEngine, prepare
from certification_pipeline.harness.events import EnginePreparing, FamilyStep
from certification_pipeline.harness.shop import solo

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "project"
TOOL = "dbt"
_DRIVER = DriverSpec(script="runner.py", lock="runner.lock")


def targets_of(plan: CertificationPlan, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """The targets this plan calls for; with ``asked`` those of them, wherever the engine can load them."""
    spared = {each.target for each in left_out(plan)}
    if not asked:
        return tuple(target for target in TARGETS if target not in spared)
    return tuple(t for t in TARGETS if t in asked and strategy_for(plan, t) is not None)


def systems(plan: CertificationPlan, asked: Sequence[str] = ()) -> Collection[str]:
    """The source and the targets' systems."""
    targets = targets_of(plan, asked)
    return (SOURCE, *targets) if targets else ()


def produce(work: Work, *, targets: Sequence[str] = (), project: Path = PROJECT) -> DbtLineage:
    """Load, judge, build and count on every target; write the artifact, dbt's files and the events.

    A dbt that cannot be installed or started is inconclusive, a failed model or load is red; both are
    artifacts. Raises ``Interrupted`` when the run is cancelled, and leaves what was there before.
    """
    cells = [
        planned_cell(work.plan, target, strategy)
        for target in targets_of(work.plan, targets)
        if (strategy := strategy_for(work.plan, target))
    ]
    digest, seen = None, []
    with _folder(work) as folder:
        if cells:
            try:
                prepared = _prepared(work)
                digest = prepared.artifact_digest
                seen = _run(work, prepared, cells, project, folder)
            except (EngineUnavailable, OSError) as error:
                said = work.shop.redactor.redact_text(str(error))
                seen = [_unavailable(cell.key.sink, said) for cell in cells]
        content = kept(folder / "keep", work.shop.redactor)
    made, events = dbt_lineage(
        work.plan,
        stamp(work.run_id),
        source="executed",
        seen=[with_digests(target, content) for target in seen],
        content=content,
        tool_digest=digest,
    )
    return write(work.directory, made, content, events)


def _run(
    work: Work, prepared: PreparedEngine, cells: Sequence[PlannedCell], project: Path, folder: Path
) -> list[DbtTarget]:
    # A copy: dbt writes beside what it reads, and its artifacts name no path of this installation.
    copied = folder / "project"
    shutil.copytree(project, copied, ignore=shutil.ignore_patterns("__pycache__"))
    outputs: dict[str, dict[str, object]] = {}
    environ: dict[str, str] = {}
    for cell in cells:
        profile, secrets = profile_of(work.shop, cell.key)
        outputs[cell.key.sink] = profile
        environ |= secrets
    profiles = folder / "profiles"
    profiles.mkdir(mode=0o700)
    text = yaml.safe_dump({"certify": {"target": cells[0].key.sink, "outputs": outputs}})
    (profiles / "profiles.yml").write_text(text, "utf-8")
    seen = []
    with DbtProcess(work.shop, _for_adapters(prepared, outputs), folder, environ) as dbt:
        for cell in cells:
            with solo(work.shop, cell) as bench:
                target = OnTarget(
                    shop=work.shop,
                    planned=cell,
                    bench=bench,
                    dbt=dbt,
                    project=copied,
                    profiles=profiles,
                    folder=folder / "target" / cell.key.sink,
                    keep=folder / "keep" / cell.key.sink,
                    tell=partial(_tell, work),
                )
                seen.append(target.work())
    return seen


def _for_adapters(prepared: PreparedEngine, adapters: Collection[str]) -> PreparedEngine:
    quiet = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    return PreparedEngine((*prepared.command, *adapters), {**prepared.env, **quiet}, prepared.artifact_digest)


def _prepared(work: Work) -> PreparedEngine:
    """dbt's environment, made from its lock file when it is not there yet; raises ``EngineUnavailable``."""
    return prepare(
        TOOL,
        _DRIVER,
        lambda text: work.shop.on_event(EnginePreparing(TOOL, text)),
        engines=HERE,
    )


def _unavailable(target: str, message: str) -> DbtTarget:
    return DbtTarget(
        target=target,
        adapter=None,
        dbt_version=None,
        commands=(DbtCommand(command=START, ended=False, message=message[:1500], seconds=0),),
        files=tuple(
            DbtFile(role=role, path=f"{DBT_FOLDER}/{target}/{role}.json", sha256=None)
            for role in required_roles("executed")
        ),
        outcome=Outcome.UNTESTED,
    )


def _tell(work: Work, text: str) -> None:
    work.shop.on_event(FamilyStep(work.engine, Family.DBT_LINEAGE, text))


@contextmanager
def _folder(work: Work) -> Iterator[Path]:
    folder = work.shop.work_dir / "dbt_lineage" / work.engine
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
