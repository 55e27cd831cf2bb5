"""``connector_levels`` for people: the seed's matrix, then each connector's ladder."""

from __future__ import annotations

from datetime import datetime

from certification_pipeline.catalog.policies import Unit
from certification_pipeline.evidence.levels import ConnectorLevel, ConnectorLevels, Proof, Standing
from certification_pipeline.evidence.page import code, escape, headline, page, table

TYPES = {("source",): "source", ("sink",): "sink", ("source", "sink"): "source/sink", ("route",): "route"}


def levels_page(levels: ConnectorLevels) -> str:
    """The whole page."""
    link = levels.chain
    facts = (
        ("releases read", levels.releases),
        ("rests on", f"chain entry {link.sequence}, {link.chain_hash}" if link else "no chain entry"),
        *((f"policy {name}", digest) for name, digest in levels.policies.items()),
    )
    sections = []
    for policy in levels.policies:
        mine = [one for one in levels.connectors if one.policy == policy]
        rows = [_row(one) for one in mine]
        head = ("Connector", "Type", "Current level", "Until", "Next step")
        sections += [f"## Levels by policy {escape(policy)}", table(head, rows)]
        sections += [part for one in mine if one.unit is Unit.CONNECTOR for part in _ladder(one)]
    return page(headline(levels), levels, facts, *sections)


def until_of(one: ConnectorLevel) -> str:
    """When its level is lost or its proof expires, in words."""
    if one.notice_until is not None:
        return f"lost on {_day(one.notice_until)} unless proven again"
    if one.suspended:
        return "suspended: seen to fail"
    return _day(one.expires_at) if one.level and one.expires_at else ""


def _row(one: ConnectorLevel) -> tuple[str, ...]:
    step = f"{one.why}. {one.next_step}" if one.next_step else one.why
    return (one.name, TYPES[one.roles], one.level or "none", until_of(one), step)


def _ladder(one: ConnectorLevel) -> tuple[str, str]:
    rows = [
        (line.id, line.text, line.standing.value, _day(line.expires_at), "; ".join(_lacks(line.proofs)))
        for line in one.requirements
    ]
    head = ("requirement", "says", "standing", "until", "lacks")
    title = f"### {escape(one.name)} ({escape(one.policy)}): {escape(one.level or 'none')}"
    next_step = f"Next: {code(one.next_step)}\n\n" if one.next_step else ""
    return title, next_step + table(head, rows)


def _lacks(proofs: tuple[Proof, ...]) -> list[str]:
    return [
        f"{proof.name}: {proof.missing[0]}" + (f" (and {more} more)" if more else "")
        for proof in proofs
        if proof.missing and proof.standing not in (Standing.PROVEN, Standing.INAPPLICABLE)
        for more in [len(proof.missing) - 1 + proof.more_missing]
    ]


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else ""
