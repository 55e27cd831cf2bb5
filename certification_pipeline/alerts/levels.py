"""Levels gained, lost, suspended, under notice, and what expires soon: from ``connector_levels`` as of now.

Computed as of now and not as of the last release: a level is lost by the mere passing of time exactly when
no release comes. Connectors that change together are one notice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from certification_pipeline.alerts.links import summary_page
from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import ConnectorLevel, ConnectorLevels, LevelChange, Proof
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.levels.history import History
from certification_pipeline.gates.levels.ladder import connector_levels
from certification_pipeline.gates.levels.writing import levels_of
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from certification_pipeline.report.visible import short

FIRST_LINES = 12
FIRST_STEPS = 3
_SEVERITY = {
    NoticeKind.PROMOTION: Severity.INFO,
    NoticeKind.LEVEL_NOTICE: Severity.WARNING,
    NoticeKind.DEMOTION: Severity.WARNING,
    NoticeKind.SUSPENSION: Severity.CRITICAL,
    NoticeKind.EXPIRING: Severity.WARNING,
}
_SAYS = {
    NoticeKind.PROMOTION: "promoted",
    NoticeKind.DEMOTION: "demoted",
    NoticeKind.SUSPENSION: "suspended",
    NoticeKind.LEVEL_NOTICE: "under notice",
}


class Change(NamedTuple):
    """One connector under one policy."""

    kind: NoticeKind
    one: ConnectorLevel
    at: datetime
    said: str


def read_levels(
    store: EvidenceStore, engine: str, now: datetime, trusted: Collection[PublicKey] = ()
) -> tuple[ConnectorLevels, History]:
    """Levels as of now, and the history they follow from. Raises ``EvidenceError`` without a ledger."""
    levels, ledger = levels_of(store, engine, now, trusted=trusted)
    return levels, ledger.history


def level_notices(
    levels: ConnectorLevels, since: datetime, now: datetime, link: str | None = None
) -> list[Notice]:
    """What changed since then for the subject, and what is under notice now. Pure."""
    grouped: dict[tuple[NoticeKind, str, datetime], list[Change]] = {}
    for change in _changes(levels, since, now):
        grouped.setdefault((change.kind, change.one.policy, change.at), []).append(change)
    return [_notice(levels, changes, link) for changes in grouped.values()]


def _changes(levels: ConnectorLevels, since: datetime, now: datetime) -> Iterator[Change]:
    for one in levels.connectors:
        order = [None, *dict.fromkeys(line.level for line in one.requirements)]
        for change in _at_once(one.changes):
            if since <= change.at <= now:
                yield Change(_kind(change, order), one, change.at, _told(change))
        if one.notice_until is not None and one.expires_at is not None and one.expires_at >= since:
            said = f"{one.level} until {_day(one.notice_until)} unless it is proven again"
            yield Change(NoticeKind.LEVEL_NOTICE, one, one.expires_at, said)


def _at_once(changes: Iterable[LevelChange]) -> list[LevelChange]:
    """Several steps down a ladder at the same moment are one fall."""
    folded: list[LevelChange] = []
    for change in changes:
        if folded and folded[-1].at == change.at:
            first = folded.pop().before
            folded.append(change.model_copy(update={"before": first}))
        else:
            folded.append(change)
    return [change for change in folded if change.before != change.after]


def _kind(change: LevelChange, order: Sequence[str | None]) -> NoticeKind:
    """From the change alone, so that it stays the same whatever comes after it."""
    if _rank(order, change.after) > _rank(order, change.before):
        return NoticeKind.PROMOTION
    return NoticeKind.SUSPENSION if change.refuted else NoticeKind.DEMOTION


def other_version(
    history: History,
    policies: Collection[LevelPolicy],
    levels: ConnectorLevels,
    since: datetime,
    link: str | None = None,
) -> list[Notice]:
    """A new version holds less than the one before it held: nothing is inherited (law 8).

    Told when the new version is met, and not again when it then earns its levels. Pure.
    """
    said = history.in_order()
    first = next((one for one in said if one.subject == levels.subject), None)
    if first is None or first.at < since:
        return []
    earlier = [one for one in said if one.at < first.at]
    if not earlier:
        return []
    before = earlier[-1].subject
    held = {(one.policy, one.name): one for one in connector_levels(history, policies, before, first.at)}
    now = {(one.policy, one.name): one for one in levels.connectors}
    lost: dict[str, list[Change]] = {}
    for at, was in held.items():
        has = now[at].level if at in now else None
        order = [None, *dict.fromkeys(line.level for line in was.requirements)]
        if _rank(order, has) < _rank(order, was.level):
            told = f"{was.level} with {before.version} → {has or 'none'} with {levels.subject.version}"
            lost.setdefault(was.policy, []).append(
                Change(NoticeKind.DEMOTION, now.get(at, was), first.at, told)
            )
    return [
        _notice(levels, changes, link, f"{before.version} → {levels.subject.version}: ")
        for changes in lost.values()
    ]


def expiring_notice(
    levels: ConnectorLevels, now: datetime, within: timedelta, link: str | None = None
) -> Notice | None:
    """What of a held level expires within that time, as one notice a day and engine. Pure.

    A proof is not told of before half of its life has passed: a streak that is kept alive day by day always
    ends a week from now, and is no news.
    """
    lines, steps, first = [], [], None
    for one in levels.connectors:
        soon = sorted(_soon(one, now, within), key=lambda proof: (proof.expires_at or now, proof.name))
        level_ends = one.expires_at is not None and now < one.expires_at <= now + within
        if not soon and not (level_ends and not _explained(one)):
            continue
        ends = min([proof.expires_at for proof in soon if proof.expires_at] or [one.expires_at or now])
        first = ends if first is None else min(first, ends)
        what = ", ".join(f"{short(p.name)} ({p.kind.value}) {_minute(p.expires_at or now)}" for p in soon[:3])
        more = f" and {len(soon) - 3} more" if len(soon) > 3 else ""  # noqa: PLR2004
        lines.append(f"  {one.name}, {one.policy} {one.level}: {what or _minute(ends)}{more}")
        steps += [one.next_step] if one.next_step else []
    if not lines or first is None:
        return None
    subject = levels.subject
    return Notice(
        key=f"expiring:{_who(subject)}:{now.astimezone(UTC):%Y-%m-%d}",
        kind=NoticeKind.EXPIRING,
        severity=_SEVERITY[NoticeKind.EXPIRING],
        at=now,
        subject=f"{subject.engine} {subject.version}",
        title=f"Expiring: evidence of {_count(len(lines), 'connector')} of {subject.engine} "
        f"{subject.version}, the first on {_minute(first)}",
        text=(_listed("Proofs that expire, and when (UTC):", lines),),
        what_to_do=(f"certify run --engine {subject.engine}", *dict.fromkeys(steps))[:FIRST_STEPS],
        link=summary_page(link, subject.engine),
        thread=f"expiring {subject.engine}",
    )


def _soon(one: ConnectorLevel, now: datetime, within: timedelta) -> Iterator[Proof]:
    """Proofs of the level that is held which expire by then, each once."""
    seen: set[tuple[str, str]] = set()
    for proof in _proofs(one):
        until = proof.expires_at
        if until is None or not now < until <= now + within or (proof.kind, proof.name) in seen:
            continue
        if proof.since is not None and until - now > (until - proof.since) / 2:
            continue
        seen.add((proof.kind, proof.name))
        yield proof


def _explained(one: ConnectorLevel) -> bool:
    """Whether a proof names the moment at which the level expires."""
    return any(proof.expires_at == one.expires_at for proof in _proofs(one))


def _proofs(one: ConnectorLevel) -> Iterator[Proof]:
    """Of every line up to the level that is held; they are listed lowest first."""
    if one.level is None:
        return
    levels = list(dict.fromkeys(line.level for line in one.requirements))
    held = levels[: levels.index(one.level) + 1] if one.level in levels else []
    for line in one.requirements:
        if line.level in held:
            yield from line.proofs


def _notice(levels: ConnectorLevels, changes: Sequence[Change], link: str | None, prefix: str = "") -> Notice:
    kind, policy, at = changes[0].kind, changes[0].one.policy, changes[0].at
    subject = levels.subject
    lines = [f"  {change.one.name}: {short(change.said)}" for change in changes]
    steps = () if kind is NoticeKind.PROMOTION else (c.one.next_step for c in changes if c.one.next_step)
    names = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:8]
    return Notice(
        key=f"level:{kind}:{_who(subject)}:{policy}:{at.astimezone(UTC):%Y%m%dT%H%M%S}:{names}",
        kind=kind,
        severity=_SEVERITY[kind],
        at=at,
        subject=f"{subject.engine} {subject.version}",
        title=f"{_SAYS[kind].capitalize()}: {prefix}{_names(changes)} ({policy})",
        text=(_listed(f"By policy {policy}, on {_minute(at)} UTC:", lines),),
        what_to_do=tuple(dict.fromkeys(steps))[:FIRST_STEPS],
        link=summary_page(link, subject.engine),
        thread=f"levels {subject.engine} {policy}",
    )


def _rank(order: Sequence[str | None], level: str | None) -> int:
    return order.index(level) if level in order else -1


def _names(changes: Sequence[Change]) -> str:
    names = [change.one.name for change in changes]
    return names[0] if len(names) == 1 else f"{names[0]} and {_count(len(names) - 1, 'other')}"


def _told(change: LevelChange) -> str:
    return f"{change.before or 'none'} → {change.after or 'none'}, {change.why}"


def _who(subject: Subject) -> str:
    """Names the very subject: engine, version and what was installed."""
    digest = hashlib.sha256(subject.artifact_digest.encode()).hexdigest()[:8]
    return f"{subject.engine}:{subject.version[:40]}:{digest}"


def _listed(head: str, lines: Iterable[str]) -> str:
    listed = list(lines)
    more = len(listed) - FIRST_LINES
    return "\n".join((head, *listed[:FIRST_LINES], *([f"  … and {more} more"] if more > 0 else [])))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
