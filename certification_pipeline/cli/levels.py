"""``certify levels``: what each connector is granted, why, what is missing, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from rich.console import Console

    from certification_pipeline.evidence.levels import ConnectorLevel, ConnectorLevels
    from certification_pipeline.settings import RunSettings

Connector = Annotated[
    list[str] | None,
    typer.Option(
        "--connector", metavar="GLOB", help="Only these, e.g. 'reference/*' or '*/postgres_to_*'; repeatable."
    ),
]
Policy = Annotated[
    list[str] | None, typer.Option("--policy", metavar="NAME", help="Only this policy: dpone or krishiv.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="As it was, or will be if nothing new is seen. [now]"),
]


def levels(
    *,
    connector: Connector = None,
    policy: Policy = None,
    engine: options.Engines = None,
    as_of: AsOf = None,
    key: options.Keys = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show the level of each connector: what it rests on, what is missing, the next step, what expires when.

    Computed from the ledger at this moment. One connector alone is shown line by line.
    """
    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(evidence_dir=evidence_dir, trusted_keys=tuple(key) if key else None)
    at = _moment(as_of)
    found = [_chosen(each, connector or ()) for each in _computed(settings, engine or (), policy or (), at)]
    if connector and not any(each.connectors for each in found):
        raise typer.BadParameter(f"{', '.join(connector)} matches no connector", param_hint="--connector")
    if form is Format.JSON:
        emit([each.model_dump(mode="json") for each in found])
    else:
        _print(found, at)
    raise typer.Exit(exit_code(Outcome.worst(each.outcome for each in found)))


def _computed(
    settings: RunSettings, engines: list[str] | tuple[()], names: list[str] | tuple[()], at: datetime
) -> list[ConnectorLevels]:
    """Of every engine with a chain, or those named."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.chain_dir import chained_engines  # noqa: PLC0415
    from certification_pipeline.evidence.errors import EvidenceError, ProblemKind  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.gates.levels.writing import levels_of  # noqa: PLC0415
    from certification_pipeline.settings import matching_engines, must_match  # noqa: PLC0415

    store = EvidenceStore(settings.evidence_dir)
    policies = load_catalog().policies
    must_match("policy", names, policies)
    chosen = {name: policy for name, policy in policies.items() if not names or name in names}
    there = chained_engines(store.root)
    if not there:
        remedy = "Certify something: certify run"
        raise EvidenceError(str(store.root), None, "holds no ledger", remedy, ProblemKind.MISSING)
    must_match("engine", (name for name in engines if name != "all"), there)
    picked = matching_engines(engines, there) if engines else there
    trusted = settings.trusted()
    if signer := settings.signer():
        trusted = (*trusted, signer.public_key)
    return [levels_of(store, name, at, trusted=trusted, policies=chosen)[0] for name in picked]


def _chosen(found: ConnectorLevels, globs: list[str] | tuple[()]) -> ConnectorLevels:
    from fnmatch import fnmatchcase  # noqa: PLC0415 - with the rest

    if not globs:
        return found
    kept = tuple(one for one in found.connectors if any(fnmatchcase(one.name, glob) for glob in globs))
    return found.model_copy(update={"connectors": kept})


def _print(found: list[ConnectorLevels], at: datetime) -> None:
    from certification_pipeline.cli.output import console  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.report.levels import ladder_frame  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision, print_frame  # noqa: PLC0415

    screen = console()
    shown = [one for each in found for one in each.connectors]
    for each in found:
        name = f"{each.subject.engine} {each.subject.version}"
        screen.print(
            f"Levels of {name}, {at:%Y-%m-%d %H:%M} UTC, from {each.releases} releases", markup=False
        )
        frame = ladder_frame(each.connectors).drop(columns=["why"])
        print_frame(screen, frame, index=False, empty="no connector is claimed")
        screen.print()
    if len({one.name for one in shown}) == 1:
        _print_lines(shown)
    _print_calendar(shown, at)
    for each in found:
        if each.blockers:
            print_decision(screen, each)


def _print_lines(shown: list[ConnectorLevel]) -> None:
    from certification_pipeline.cli.output import console  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.report.levels import requirement_frame  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_frame  # noqa: PLC0415

    screen = console()
    for one in shown:
        _say(screen, f"{one.name} by {one.policy}: {one.level or 'none'}. {one.why}.")
        print_frame(screen, requirement_frame(one), index=False)
        for change in one.changes:
            told = (
                f"  {change.at:%Y-%m-%d} {change.before or 'none'} → {change.after or 'none'}: {change.why}"
            )
            screen.print(told, markup=False)
        screen.print()


def _print_calendar(shown: list[ConnectorLevel], at: datetime) -> None:
    from certification_pipeline.cli.output import console  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.report.levels import DAYS, LEGEND, calendar  # noqa: PLC0415

    lines = calendar(shown, at)
    if not lines:
        return
    screen = console()
    width = max(len(line.name) for line in lines)
    first = at - timedelta(days=DAYS - 1)
    screen.print(
        f"Soak calendar, {first:%Y-%m-%d} to {at:%Y-%m-%d} (a space before each Monday)", markup=False
    )
    for line in lines:
        _say(screen, f"  {line.name:<{width}}  {line.marks}  {line.check}: {line.told}")
    _say(screen, f"  {LEGEND}")
    screen.print()


def _say(screen: Console, text: str) -> None:
    """Names and reasons come from evidence: no control character of theirs reaches the terminal."""
    from certification_pipeline.report.visible import visible  # noqa: PLC0415 - lazy on purpose

    screen.print(visible(text), markup=False, highlight=False)


def _moment(text: str | None) -> datetime:
    """A date is its end (UTC); a time without a zone is UTC."""
    from certification_pipeline.evidence.artifact import utc_now  # noqa: PLC0415 - lazy on purpose

    if text is None:
        return utc_now()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        told = f"{text!r} is no date"
        raise typer.BadParameter(f"{told}; write it as 2026-12-31", param_hint="--as-of") from None
    if len(text) == len("2026-12-31"):
        found += timedelta(days=1) - timedelta(milliseconds=1)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
