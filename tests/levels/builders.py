"""Histories as a ledger would tell them, without a single file: what levels are functions of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.policies import LevelPolicy, Unit
from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome, ReasonCode
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import ConnectorLevel, ConnectorLevels
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.summary import ChainLink
from certification_pipeline.gates.levels.decision import decide_levels
from certification_pipeline.gates.levels.history import Attested, Cell, Coordinates, History, ItemSaid, Said
from certification_pipeline.gates.levels.ladder import connector_levels
from certification_pipeline.gates.verification import read_plan
from tests.evidence.builders import provenance

ENGINE = "reference"
START = datetime(2025, 1, 1, 2, 17, tzinfo=UTC)
SUBJECT = Subject(engine=ENGINE, version="1.4.0", artifact_digest="sha256:" + "ab" * 32)
NEXT = Subject(engine=ENGINE, version="1.5.0", artifact_digest="sha256:" + "cd" * 32)
DUCKDB = f"{ENGINE}/duckdb"
ROUTE = f"{ENGINE}/postgres_to_duckdb"
DIGEST = "sha256:" + "11" * 32

STRATEGIES = {"full_refresh": ("batch.full_refresh", "types.matrix"), "incremental_merge": ()}
SCENARIOS = (
    "batch.empty",
    "batch.wide",
    "ident.funky",
    "incr.cursor_ties",
    "incr.noop",
    "idem.rerun",
    "rec.crash_points",
    "rec.kill",
    "rec.offset_commit",
    "rec.source_reconnect",
    "rec.sink_write_failure",
    "schema.add",
    "schema.drop",
    "schema.widen",
    "obs.taxonomy",
    "obs.fields",
    "obs.counts",
    "event.late",
    "compat.upgrade",
)
INAPPLICABLE = ("rec.two_phase_commit", "rec.schema_change_interrupted")


def policies(*names: str) -> tuple[LevelPolicy, ...]:
    catalog = load_catalog()
    return tuple(catalog.policies[name] for name in names or ("dpone", "krishiv"))


def cells(
    source: str = "postgres",
    sink: str = "duckdb",
    fidelity: Fidelity = Fidelity.REAL,
    **outcomes: Outcome,
) -> tuple[Cell, ...]:
    """Every scenario of one route, green; ``outcomes`` by scenario (dots as underscores) say otherwise."""
    found = []
    for strategy, own in STRATEGIES.items():
        shared = SCENARIOS if strategy == "incremental_merge" else ()
        for scenario in (f"strategy.{strategy}", *own, *shared):
            outcome = outcomes.get(scenario.replace(".", "_"), Outcome.PASSED)
            at = Coordinates(source, sink, strategy, scenario)
            flaky = outcome is Outcome.CANT_TELL and "flaky" in outcomes
            asked = outcome is not Outcome.UNTESTED  # what the profile leaves out is not required
            found.append(Cell(at, outcome, rows=100, required=asked, fidelity=fidelity, flaky=flaky))
    for scenario in INAPPLICABLE:
        at = Coordinates(source, sink, "incremental_merge", scenario)
        found.append(Cell(at, Outcome.INAPPLICABLE, required=False, reason=ReasonCode.SINK_LACKS))
    return tuple(found)


GREEN = cells()


def items(
    connectors: Iterable[str] = ("postgres", "duckdb"), **outcomes: Outcome
) -> Mapping[str, Mapping[ChecklistItem, ItemSaid]]:
    return {
        f"{ENGINE}/{name}": {
            item: ItemSaid(outcomes.get(item.value, Outcome.PASSED)) for item in ChecklistItem
        }
        for name in connectors
    }


DOCUMENTS = {
    "docs/connectors/reference/postgres.md": DIGEST,
    "docs/connectors/reference/duckdb.md": DIGEST,
    "docs/compatibility.md": DIGEST,
}


def said(day: float, **changes: Any) -> Said:
    """A scheduled, whole, green release, so many days after the first."""
    at = START + timedelta(days=day)
    values: dict[str, Any] = {
        "release_id": f"daily-{at:%Y-%m-%d-%H%M}",
        "sequence": int(day * 100) + 1,
        "at": at,
        "subject": SUBJECT,
        "trigger": Trigger.SCHEDULE,
        "profile": "local",
        "cells": GREEN,
        "items": items(),
        "items_sha256": DIGEST,
        "documents": DOCUMENTS,
        "families": {Family.CALIBRATION: (Outcome.PASSED, DIGEST)},
    }
    return Said(**values | changes)


def attested(day: float = 0, days: float = 365, **changes: Any) -> Attested:
    since = START + timedelta(days=day)
    values: dict[str, Any] = {
        "predicate": "production",
        "path": "attestations/reference/x.json",
        "sha256": DIGEST,
        "subject": SUBJECT,
        "route": "postgres_to_duckdb",
        "deployment": "warehouse",
        "owner": "data-platform",
        "since": since,
        "until": since + timedelta(days=days),
    }
    return Attested(**values | changes)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def history(said: Iterable[Said], *signed: Attested) -> History:
    return History(ENGINE, tuple(said), signed)


def ladder(
    of: History,
    at: float,
    policy: str = "dpone",
    name: str = DUCKDB,
    subject: Subject = SUBJECT,
) -> ConnectorLevel:
    found = connector_levels(of, policies(policy), subject, day(at))
    return next(one for one in found if one.name == name)


def granted(directory: SubjectDir) -> ConnectorLevels:
    """The artifact, as it would lie beside a release's summary."""
    plan = read_plan(directory).plan
    told = [said(number, subject=plan.subject) for number in range(40)]
    return decide_levels(
        History(plan.subject.engine, tuple(told)),
        {policy.id: policy for policy in policies()},
        plan.subject,
        provenance().model_copy(update={"created_at": day(40)}),
        release_id=plan.release_id,
        profile=plan.profile,
        chain=ChainLink(sequence=1, chain_hash=DIGEST),
    )


def level(
    of: History, at: float, policy: str = "dpone", name: str = DUCKDB, subject: Subject = SUBJECT
) -> str | None:
    unit = Unit.ROUTE if "_to_" in name else Unit.CONNECTOR
    found = ladder(of, at, policy, name, subject)
    assert found.unit is unit
    return found.level
