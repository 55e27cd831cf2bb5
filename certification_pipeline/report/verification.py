"""What ``certify verify`` found, on one screen: verdict, what was changed, releases, what is not proved."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.text import Text

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.gates.verify.finding import Finding
from certification_pipeline.gates.verify.result import VerifiedEvidence, VerifiedLevel, VerifiedRelease
from certification_pipeline.report.tally import SYMBOL, VERDICT
from certification_pipeline.report.terminal import STYLE, frame_table
from certification_pipeline.report.visible import visible

SHOWN = 40
"""Findings, releases and blockers on the screen, each; all of them are in the JSON."""
FEW = 5
"""Releases that are not green, and blockers of each; `certify show` tells the rest."""
LONGEST = 400


def print_verification(console: Console, found: VerifiedEvidence) -> None:
    """The first line is the answer."""
    console.print(
        Text(f"{SYMBOL[found.outcome]} {headline(found)}", f"bold {STYLE[found.outcome]}"), soft_wrap=True
    )
    files = sum(chain.files for chain in found.chains)
    entries = sum(chain.entries for chain in found.chains)
    by = f"{found.verifier.name} {found.verifier.version}"
    told = f"  {files} files hashed again, {entries} entries in {len(found.chains)} chains, by {by}"
    console.print(Text(told, "dim"), soft_wrap=True)
    for finding in found.findings[:SHOWN]:
        _finding(console, finding)
    if len(found.findings) > SHOWN:
        console.print(f"  … and {len(found.findings) - SHOWN} more: --format json", highlight=False)
    if found.releases:
        console.print()
        console.print(frame_table(_table(found.releases), index=False))
    levels = [(one, level) for one in found.releases for level in one.levels]
    if levels:
        console.print()
        console.print(frame_table(_levels(levels), index=False))
    why = [one for one in found.releases if one.counts and one.blockers and one.verified is Outcome.PASSED]
    for release in why[:FEW]:
        _blockers(console, release)
    for release in found.releases:
        _demands(console, release)
    for note in found.notes:
        console.print(Text(f"  note: {visible(note)[:LONGEST]}", "dim"), soft_wrap=True)
    if found.not_proved:
        console.print(Text("\nNot proved", "bold"))
    for line in found.not_proved:
        console.print(Text(f"  {visible(line)[:LONGEST]}"), soft_wrap=True)


def headline(found: VerifiedEvidence) -> str:
    """The verdict in one sentence: tampering is not told as a red release, nor a red release as tampering."""
    wrong = sum(finding.outcome is Outcome.FAILED for finding in found.findings)
    unclear = len(found.findings) - wrong
    counted = [release for release in found.releases if release.counts]
    red = [name(release) for release in counted if release.outcome is Outcome.FAILED]
    open_ = [name(release) for release in counted if release.outcome not in (Outcome.PASSED, Outcome.FAILED)]
    if found.verified is Outcome.FAILED:
        more = f", {_count(unclear, 'thing')} that cannot be verified here" if unclear else ""
        explain = "nothing here proves anything until they are explained"
        return f"TAMPERED WITH: {_count(wrong, 'finding')}{more}; {explain}"
    if found.verified is not Outcome.PASSED:
        said = f"; and red: {_names(red)}" if red else ""
        cannot = f"{_count(unclear, 'thing')} cannot be verified here"
        return f"CANNOT TELL: nothing was found to be changed, {cannot}{said}"
    if red:
        return f"VERIFIED, AND RED: the evidence is as it was made, and it does not certify {_names(red)}"
    if open_:
        little = f"proves too little about {_names(open_)}"
        return f"VERIFIED, AND INCONCLUSIVE: the evidence is as it was made, and {little}"
    if not counted:
        return "NOTHING TO VERIFY: no release counts"
    return f"VERIFIED, AND GREEN: {_names([name(release) for release in counted])}"


def name(release: VerifiedRelease) -> str:
    """``reference 0.1.0 in r1``."""
    version = f" {release.subject.version}" if release.subject else ""
    return visible(f"{release.engine}{version} in {release.release_id}")


def _finding(console: Console, finding: Finding) -> None:
    style = STYLE[finding.outcome]
    head = Text(f"  {SYMBOL[finding.outcome]} {visible(finding.path)}", style)
    if finding.field:
        head.append(f"  {visible(finding.field)}", "bold")
    head.append(f"  {finding.kind.value.replace('_', ' ')}", "default")
    console.print(head, soft_wrap=True)
    console.print(Text(f"      {visible(finding.message)[:LONGEST]}"), soft_wrap=True)
    console.print(Text(f"      → {visible(finding.remedy)[:LONGEST]}", "cyan"), soft_wrap=True)


def _blockers(console: Console, release: VerifiedRelease) -> None:
    for blocker in release.blockers[:FEW]:
        head = Text(f"  {name(release)}: {visible(blocker.code)}", STYLE[release.outcome])
        console.print(head, soft_wrap=True)
        console.print(Text(f"      {visible(blocker.message)[:LONGEST]}"), soft_wrap=True)


def _demands(console: Console, release: VerifiedRelease) -> None:
    if release.demands:
        console.print(Text(f"\nAsked of who maintains {name(release)}; no verdict rests on it", "bold"))
    for demand in release.demands[:SHOWN]:
        console.print(Text(f"  {visible(demand.code)}: {visible(demand.message)[:LONGEST]}"), soft_wrap=True)
        console.print(Text(f"      → {visible(demand.next_step)[:LONGEST]}", "cyan"), soft_wrap=True)
    if len(release.demands) > SHOWN:
        console.print(f"  … and {len(release.demands) - SHOWN} more: --format json", highlight=False)


def _table(releases: tuple[VerifiedRelease, ...]) -> pd.DataFrame:
    shown = [release for release in releases if release.counts]
    shown += [release for release in releases if not release.counts][-SHOWN:]
    return pd.DataFrame(
        [
            {
                "release": one.release_id,
                "engine": one.engine,
                "version": one.subject.version if one.subject else "?",
                "profile": one.profile or "?",
                "evidence": f"{SYMBOL[one.verified]} {_EVIDENCE[one.verified]}",
                "release is": f"{SYMBOL[one.outcome]} {VERDICT[one.outcome]}",
                "required cells": one.required_cells,
                "planned": one.planned_cells,
                "scope": "a part" if one.narrowed else "whole",
                "counts": "yes" if one.counts else "history",
            }
            for one in shown
        ]
    )


def _levels(levels: list[tuple[VerifiedRelease, VerifiedLevel]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "connector": level.connector,
                "policy": level.policy,
                "level": level.level or "none",
                "expires": f"{level.expires_at:%Y-%m-%d}" if level.expires_at else "",
                "stated": "the same" if level.stated == level.level else level.stated or "none",
            }
            for _, level in levels[:SHOWN]
        ]
    )


_EVIDENCE = {
    Outcome.PASSED: "as it was made",
    Outcome.FAILED: "tampered with",
    Outcome.CANT_TELL: "cannot tell",
}


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown  # noqa: PLR2004


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
