"""Vendors' documents beside the evidence: for ``certify claims`` and the page ``docs/claims.md``.

The page is drawn from the records in ``docs/published`` (report/published_pages.py), the catalogue and the
findings; no verdict on it was written by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import unversioned
from certification_pipeline.catalog.findings import Finding, load_findings
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.stated import Statement, VendorStatements, load_stated
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.evidence.delivery import ENOUGH
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.levels import ConnectorLevels, RequirementState, Standing
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.levels.writing import levels_of, levels_refused
from certification_pipeline.gates.stated import Asked, ClaimVerdict, Judged, delivers, judge, shown_by
from certification_pipeline.gates.stated_seen import CellSeen, GuaranteeSeen, LevelSeen, Seen
from certification_pipeline.report.guarantees import observed
from certification_pipeline.report.loading import load_subject
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import CellLine, SubjectView
from certification_pipeline.report.tables import why
from certification_pipeline.report.tally import SYMBOL

CLAIMS = "claims.md"
COLUMNS = [
    "",
    "what the document says",
    "engine",
    "evidence",
    "verdict",
    "because",
    "counter-example",
    "findings",
]
_TOLD = 160
"""Characters of a document's line in the table; the page has them whole."""


def levels_seen(levels: ConnectorLevels) -> tuple[LevelSeen, ...]:
    """What a ledger grants; nothing when the ledger itself does not hold."""
    if levels_refused(levels):
        return ()
    return tuple(
        LevelSeen(
            unit=one.name.partition("/")[2],
            policy=one.policy,
            level=one.level,
            why=one.why,
            refuted=tuple(
                (requirement.level, f"{requirement.text} {'; '.join(_failed(requirement))}")
                for requirement in one.requirements
                if requirement.standing is Standing.REFUTED
            ),
        )
        for one in levels.connectors
    )


def _failed(requirement: RequirementState) -> list[str]:
    return [
        proof.missing[0]
        for proof in requirement.proofs
        if proof.standing is Standing.REFUTED and proof.missing
    ]


def ledger_levels(store: EvidenceStore, view: SubjectView) -> tuple[LevelSeen, ...]:
    """Levels of that subject as of now, worked out from its ledger; none while nothing of it is chained."""
    try:
        levels, _ = levels_of(store, view.subject.engine, utc_now(), subject=view.subject)
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return ()
        raise
    return levels_seen(levels)


def seen_in_view(view: SubjectView, levels: tuple[LevelSeen, ...] = ()) -> Seen:
    """All that a release's evidence shows of one engine."""
    ended = [
        load.record
        for line in view.lines
        if line.evidence is not None
        for load in line.evidence.loads
        if load.ended == "result" and load.record is not None
    ]
    stated = Counter(name for record in ended for name, value in record.items() if value is not None)
    return Seen(
        engine=view.subject.engine,
        version=view.subject.version,
        release_id=view.plan.release_id,
        cells=tuple(
            CellSeen(
                line.key.source,
                line.key.sink,
                line.key.strategy.value,
                line.key.scenario,
                line.outcome,
                line.reason,
                why(line) or None,
                tuple(finding.id for finding in line.findings),
                _shown(line),
            )
            for line in view.lines
        ),
        guarantees=tuple(
            GuaranteeSeen(
                one.route_id,
                one.strategy.value,
                one.bound,
                one.count.enough,
                f"{one.counter_examples[0].cell_id}, {one.counter_examples[0].step}"
                if one.counter_examples
                else None,
            )
            for one in observed(view)
        ),
        levels=levels,
        records={name: (count, len(ended)) for name, count in stated.items()} if ended else None,
    )


def _shown(line: CellLine) -> tuple[str, ...] | None:
    if line.outcome is not Outcome.FAILED or line.evidence is None:
        return None
    checks = (
        judgement.name
        for judgement in line.evidence.judgements
        if isinstance(judgement, CheckJudgement) and judgement.outcome is Outcome.FAILED
    )
    return (*line.row.anomalies, *dict.fromkeys(checks))


def seen_in_record(record: PublishedRecord, findings: Iterable[Finding]) -> Seen:
    """The same from what is published: run records are not, and of a failure what its findings say of it."""
    known = {finding.id: finding for finding in findings}
    return Seen(
        engine=record.subject.engine,
        version=record.subject.version,
        release_id=record.release_id,
        cells=tuple(
            CellSeen(
                cell.source,
                cell.sink,
                cell.strategy.value,
                cell.scenario,
                cell.outcome,
                cell.reason,
                cell.seen,
                cell.findings,
                tuple(name for each in cell.findings if each in known for name in shown_by(known[each]))
                or None,
            )
            for cell in record.planned()
        ),
        guarantees=tuple(
            GuaranteeSeen(one.route, one.strategy.value, one.observed, one.kills >= ENOUGH)
            for one in record.guarantees
        ),
        levels=tuple(LevelSeen(one.connector, one.policy, one.level, one.why) for one in record.levels),
    )


def newest(store: EvidenceStore, engine: str) -> SubjectView | None:
    """The release of that engine whose plan was sealed last; ``None`` when there is none."""
    views = [
        load_subject(store.release(release, engine), store=store)
        for release in store.releases()
        if engine in store.engines(release)
    ]
    return max(views, key=lambda view: view.plan.created_at, default=None)


def judged(
    vendor: VendorStatements,
    seen: Mapping[str, Seen],
    catalog: Catalog,
    findings: Sequence[Finding],
    engines: Iterable[str] = (),
) -> list[Judged]:
    """Every statement for every engine whose evidence speaks to it, or for the one that would."""
    asked = tuple(engines)
    return [
        judge(statement, Asked(catalog.engine(name), seen.get(name), catalog, findings))
        for statement in vendor.claims
        for name in asked or _speakers(statement, vendor, seen, catalog)
    ]


def _speakers(
    statement: Statement, vendor: VendorStatements, seen: Mapping[str, Seen], catalog: Catalog
) -> tuple[str, ...]:
    if statement.guarantee is not None:
        configured = [
            name for name in vendor.engines if delivers(catalog.engine(name), statement.guarantee, catalog)
        ]
        return tuple(configured) or vendor.engines[:1]
    there = tuple(name for name in seen if unversioned(name) in vendor.engines)
    return there or vendor.engines[:1]


def claims_frame(found: Iterable[Judged], *, whole: bool = False) -> pd.DataFrame:
    """One line a statement and engine, in the documents' order."""
    return pd.DataFrame([_line(one, whole) for one in found], columns=COLUMNS)


def _line(one: Judged, whole: bool) -> tuple[str, ...]:
    part = one.decisive
    text = one.statement.text
    return (
        SYMBOL[one.verdict.outcome],
        text if whole or len(text) <= _TOLD else f"{text[: _TOLD - 1]}…",
        one.engine,
        f"{one.seen.version}, release {one.seen.release_id}" if one.seen else "findings only",
        one.verdict.value,
        part.because,
        part.cell or "",
        ", ".join(part.findings),
    )


def claims_page(records: Sequence[PublishedRecord]) -> str:
    """The Markdown page, from published records."""
    catalog = load_catalog()
    findings = load_findings(catalog)
    seen = {record.subject.engine: seen_in_record(record, findings) for record in records}
    parts = [_HEAD]
    for vendor in load_stated(catalog):
        found = judged(vendor, seen, catalog, findings)
        parts.append(f"## {vendor.title}")
        for name, document in vendor.documents.items():
            lines = [one for one in found if one.statement.document == name]
            frame = claims_frame(lines, whole=True)
            parts += [
                f"### {document.title}",
                f"From {document.source}. {_counted(lines)}",
                frame_markdown(frame, index=False),
            ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _counted(found: Sequence[Judged]) -> str:
    counts = Counter(one.verdict for one in found)
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in ClaimVerdict if counts[verdict])
    return f"{len(found)} lines: {told}."


_HEAD = """
# Claims against proof

<!-- Generated by `certify publish-pages --from-records`: from docs/published, catalogue and findings -->

What vendors' documents say of their connectors, word for word, beside what evidence shows. Which evidence
speaks to a line is data (`certification_pipeline/catalog/data/claims`); the verdict is worked out from it,
never written down.

- *Disproved*: something was seen that contradicts it. One counter-example does.
- *Supported*: everything that would show it was seen to hold, and nothing seen speaks against it. Routes that
  were not tested are told.
- *Not tested here*: with the reason. It speaks neither for the document nor against it.

Where a release of the engine is [published](publishing.md), the verdict comes from its cells. Where none is,
it comes from [findings](findings/README.md) alone: each has a script that shows a defect without this
harness, and disproves the lines whose cells it names. A cell that fails for a reason that a line does not
speak of shows nothing of that line. `certify claims` says the same of the evidence you have, with every run
record at hand.
"""
