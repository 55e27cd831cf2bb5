"""From verified evidence to the record that is published, and nowhere else from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode, Strategy
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Digest, Producer
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.levels import ConnectorLevel
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.published import (
    PublishedCalibration,
    PublishedCell,
    PublishedFamily,
    PublishedGap,
    PublishedGuarantee,
    PublishedLevel,
    PublishedRecord,
    PublishedService,
)
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.guarantees import ObservedGuarantee
from certification_pipeline.gates.levels.writing import levels_of
from certification_pipeline.report.families import CHAIN_FAMILY, MATRIX, FamilyView
from certification_pipeline.report.guarantees import observed
from certification_pipeline.report.in_short import in_short
from certification_pipeline.report.loading import load_subject
from certification_pipeline.report.published_seal import release_statement
from certification_pipeline.report.release import CellLine, SubjectView
from certification_pipeline.report.visible import short

FRESH_DAYS = 28
"""Seed 001: a connector is certified on four weeks; what is older than that says nothing about today."""

_WORDS = ("not_verified", "release_id_mismatch")
"""Of blockers that say that a file is not what was written."""


_TOLD = (Outcome.FAILED, Outcome.CANT_TELL)


def not_verified(summary: ReleaseSummary) -> tuple[Blocker, ...]:
    """Blockers that say the evidence itself cannot be believed, whatever it shows.

    A decision that is missing is one of them, as is a chain: nobody ever vouched for what lies there.
    """

    def speaks_of_it(blocker: Blocker) -> bool:
        item, _, word = blocker.code.partition(":")[0].rpartition(".")
        return word in _WORDS or (word == "missing" and item in _VOUCHING)

    return tuple(blocker for blocker in summary.blockers if speaks_of_it(blocker))


_VOUCHING = frozenset(
    {"release_summary", "certification_automation_plan", "artifact_index", "matrix_evidence_chain"}
)


def published_record(
    view: SubjectView,
    summary_sha256: Digest,
    decided: Provenance,
    *,
    fresh_days: int = FRESH_DAYS,
) -> PublishedRecord:
    """What may be said in public of one subject's release, from the gates' verdicts of this moment.

    Raises ``EvidenceError`` for evidence that is not verified: nothing may be said of it.
    """
    summary = view.summary
    if not isinstance(summary, ReleaseSummary):
        raise EvidenceError(layout.RELEASE_SUMMARY, None, "was not decided", "certify release-summary")
    if unbelievable := not_verified(summary):
        first = unbelievable[0]
        raise EvidenceError(layout.RELEASE_SUMMARY, None, first.message, first.next_step)
    oldest, newest = _span(view.lines)
    plan, lines = view.plan, sorted(view.lines, key=_in_order)
    return PublishedRecord(
        **decided.header(PublishedRecord, plan.release_id, plan.subject, plan.profile),
        outcome=summary.outcome,
        passed=summary.passed,
        evidence_status=summary.evidence_status,
        blockers=summary.blockers,
        summary_sha256=summary_sha256,
        plan_digest=plan.plan_digest,
        chain=summary.chain,
        signed_by=summary.signed_by,
        selection=plan.selection,
        rows=plan.rows,
        seed=plan.seed,
        made_by=_version(plan.producer),
        evidence_from=oldest,
        evidence_until=newest,
        fresh_days=fresh_days,
        services=tuple(
            PublishedService(
                system=use.system, provider=use.provider, fidelity=use.fidelity, version=use.version
            )
            for use in view.services
        ),
        families=tuple(
            PublishedFamily(name=each.name, title=each.title, outcome=each.outcome, says=in_short(each))
            for each in view.families
            # The cells are here one by one, and the chain grows with every later release.
            if each.name not in (MATRIX, CHAIN_FAMILY)
        ),
        calibration=_calibration(view.families),
        levels=(),
        guarantees=tuple(_guarantee(each) for each in observed(view)),
        cells=tuple(_cell(line) for line in lines if not _is_gap(line)),
        gaps=_gaps(line for line in lines if _is_gap(line)),
    )


def _version(producer: Producer) -> str:
    revision = f" ({producer.git_revision[:12]})" if producer.git_revision else ""
    return f"{producer.version}{revision}{', with local changes' if producer.git_dirty else ''}"


def _span(lines: Collection[CellLine]) -> tuple[datetime | None, datetime | None]:
    made = [line.evidence.finished_at for line in lines if line.evidence is not None]
    return min(made, default=None), max(made, default=None)


def _in_order(line: CellLine) -> tuple[str, str, str]:
    return line.key.route_id, line.key.strategy.value, line.key.scenario


def _cell(line: CellLine) -> PublishedCell:
    return PublishedCell(
        source=line.key.source,
        sink=line.key.sink,
        strategy=line.key.strategy,
        scenario=line.key.scenario,
        outcome=line.outcome,
        required=line.row.required,
        flaky=line.flaky,
        reason=line.reason,
        sha256=line.row.sha256,
        seen=short(line.row.detail) if line.outcome in _TOLD and line.row.detail else None,
        findings=tuple(finding.id for finding in line.findings),
    )


def _is_gap(line: CellLine) -> bool:
    nothing = line.outcome in (Outcome.UNTESTED, Outcome.INAPPLICABLE)
    return nothing and line.row.sha256 is None and not line.row.required


def _gaps(lines: Iterable[CellLine]) -> tuple[PublishedGap, ...]:
    groups: dict[tuple[str, str, Strategy, Outcome, ReasonCode | None], list[str]] = {}
    for line in lines:
        key = line.key
        groups.setdefault((key.source, key.sink, key.strategy, line.outcome, line.reason), []).append(
            key.scenario
        )
    return tuple(
        PublishedGap(
            source=source,
            sink=sink,
            strategy=strategy,
            outcome=outcome,
            reason=reason,
            scenarios=tuple(scenarios),
        )
        for (source, sink, strategy, outcome, reason), scenarios in groups.items()
    )


def _calibration(families: Iterable[FamilyView]) -> PublishedCalibration | None:
    for family in families:
        if isinstance(made := family.artifact, Calibration):
            return PublishedCalibration(
                outcome=family.outcome,
                killed=made.killed,
                planted=made.planted,
                false_alarms=made.clean.alarms,
                clean_runs=made.clean.runs,
                made_at=made.created_at,
            )
    return None


def _guarantee(one: ObservedGuarantee) -> PublishedGuarantee:
    count = one.count
    return PublishedGuarantee(
        route=one.route_id,
        strategy=one.strategy,
        declared=one.declared,
        observed=one.bound,
        verdict=one.verdict.value,
        outcome=one.verdict.outcome,
        kills=count.n,
        lost=count.lost,
        repeated=count.duplicates,
        at_most=round(max(count.lost_at_most, count.duplicates_at_most), 4) if count.n else None,
    )


def read_published(
    store: EvidenceStore,
    release_id: str,
    engine: str,
    decided: Provenance,
    *,
    trusted: Collection[PublicKey] = (),
) -> PublishedRecord:
    """As :func:`published_record`, from one engine's release on disk, every verdict recomputed on the way.

    Levels are those of the ledger at the time of ``decided``; ``trusted``: whose attestations count for them.
    """
    directory = store.release(release_id, engine)
    view = load_subject(directory, store=store)
    written = sha256(directory.read_bytes(layout.RELEASE_SUMMARY))
    record = published_record(view, written, decided)
    granted, ledger = levels_of(store, engine, decided.created_at, trusted=trusted, subject=view.subject)
    unread = [blocker for blocker in granted.blockers if blocker.code.startswith("ledger.")]
    if untrue := [*ledger.problems, *unread]:
        raise EvidenceError(f"{layout.CHAIN}/{engine}", None, untrue[0].message, untrue[0].next_step)
    levels = tuple(map(_level, granted.connectors))
    return record.model_copy(update={"levels": levels, "statement": release_statement(directory)})


def _level(one: ConnectorLevel) -> PublishedLevel:
    return PublishedLevel(
        connector=one.name.partition("/")[2],
        roles=one.roles,
        policy=one.policy,
        level=one.level,
        highest=one.level is not None and one.next_level is None,
        why=one.why,
        next_step=one.next_step,
        # A level whose proof has expired is under notice, which is not fresh.
        expires_at=one.expires_at,
    )
