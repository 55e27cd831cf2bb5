"""``connector_levels``: the ladders of one subject as an artifact, with what stands against its pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker, Digest, Subject
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.levels import ConnectorLevel, ConnectorLevels, Standing
from certification_pipeline.evidence.next_step import mend_chain
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.summary import ChainLink
from certification_pipeline.gates.levels.history import History
from certification_pipeline.gates.levels.ladder import ladders
from certification_pipeline.gates.levels.walk import walk

STATED_BY_PAGES = "dpone"
"""The policy whose levels the connectors' pages state (families/connector_live)."""

_UNTOLD = "level_changed.changelog_missing"
_ABOVE = "level.not_proven"


def decide_levels(
    history: History,
    policies: Mapping[str, LevelPolicy],
    subject: Subject,
    provenance: Provenance,
    *,
    release_id: str,
    profile: str,
    chain: ChainLink | None,
    problems: Iterable[Blocker] = (),
) -> ConnectorLevels:
    """Levels of ``subject`` at the time of ``provenance``. ``problems`` are those of the ledger.

    Red: a ledger that does not verify, a page that states what was seen to fail. Inconclusive: a page that
    states more than is proven, or less than is granted without telling anybody. Pure.
    """
    as_of = provenance.created_at
    chosen = [policies[name] for name in sorted(policies)]
    walked = walk(history, chosen, subject, as_of)
    connectors = ladders(walked, chosen)
    unread = [
        Blocker(
            code=f"ledger.not_verified:{said.release_id}",
            message=f"release {said.release_id} cannot be read as it was chained: {said.problem}",
            next_step=mend_chain(history.engine, said.release_id),
        )
        for said in history.in_order()
        if said.problem is not None and said.subject == subject
    ]
    stated = list(_stated(connectors, policies.get(STATED_BY_PAGES)))
    ledger = [*problems, *unread]
    red = bool(ledger) or any(refuted for refuted, _ in stated)
    whole = Outcome.PASSED if connectors else Outcome.UNTESTED
    blockers = [*ledger, *(blocker for _, blocker in stated)]
    return ConnectorLevels(
        **provenance.header(ConnectorLevels, release_id, subject, profile),
        **verdict(Outcome.FAILED if red else whole, blockers),
        chain=chain,
        releases=walked.releases,
        policies={policy.id: policy.digest() for policy in chosen},
        attestations=_trusted(history, subject),
        connectors=connectors,
    )


def is_demand(blocker: Blocker) -> bool:
    """It asks something of whoever maintains the pages, and says nothing against the evidence.

    Seed 000 asks for a changelog entry when a level changes: until there is one, the maintainers' own gate
    (``certify levels``) does not pass. Whoever verifies has been promised less than is proven.
    """
    return blocker.code.endswith(f".{_UNTOLD}")


def is_overclaim(blocker: Blocker) -> bool:
    """A page states more than is proven: no edit of the evidence, and nothing anybody may rely on."""
    return blocker.code.endswith(f".{_ABOVE}")


def _trusted(history: History, subject: Subject) -> dict[str, Digest]:
    return {one.path: one.sha256 for one in history.attested if one.subject == subject}


def _stated(
    connectors: Sequence[ConnectorLevel], policy: LevelPolicy | None
) -> Iterator[tuple[bool, Blocker]]:
    """(seen to fail, blocker) for each page that states another level than is granted."""
    if policy is None:
        return
    order = [None, *(level.id for level in policy.levels)]
    for one in connectors:
        if one.policy != policy.id or one.stated is None or one.stated not in order:
            continue
        granted, stated = order.index(one.level), order.index(one.stated)
        if stated > granted:
            asked = [level.id for level in policy.levels[:stated]]
            refuted = [
                line.id
                for line in one.requirements
                if line.level in asked and line.standing is Standing.REFUTED
            ]
            yield bool(refuted), _above(one, refuted)
        elif stated < granted:
            yield False, _untold(one)


def _above(one: ConnectorLevel, refuted: Sequence[str]) -> Blocker:
    granted = one.level or "no level"
    message = f"its page states {one.stated}, granted is {granted}: {one.why}"
    if refuted:
        message = f"its page states {one.stated}, but {', '.join(refuted)} was seen to fail"
    step = one.next_step or f"State `- Level: {granted}` in docs/connectors/{one.name}.md"
    return Blocker(code=f"connector.{one.name}.{_ABOVE}", message=message, next_step=step)


def _untold(one: ConnectorLevel) -> Blocker:
    change = f"{one.name}: {one.stated} → {one.level}"
    return Blocker(
        code=f"connector.{one.name}.{_UNTOLD}",
        message=f"granted is {one.level}, its page still states {one.stated}: the change was told nobody",
        next_step=f"State `- Level: {one.level}` in docs/connectors/{one.name}.md, "
        f"and write `{change}` into CHANGELOG.md",
    )
