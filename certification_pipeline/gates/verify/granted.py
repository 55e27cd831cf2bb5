"""Levels: granted again from the raw cells of every release they rest on, as of then and as of now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Producer, utc_now
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.levels.decision import is_demand, is_overclaim
from certification_pipeline.gates.levels.writing import levels_of, verify_levels
from certification_pipeline.gates.verify.finding import Finding, Kind, disagreeing, of_error
from certification_pipeline.gates.verify.judge import contradicted
from certification_pipeline.gates.verify.result import VerifiedLevel


def read_levels(directory: SubjectDir, place: str) -> Iterator[Finding]:
    """The file as such: not edited, and of this release. A release from before there were levels has none."""
    where = f"{place}/{layout.CONNECTOR_LEVELS}"
    try:
        directory.read(layout.CONNECTOR_LEVELS, ConnectorLevels)
    except EvidenceError as error:
        if error.kind is not ProblemKind.MISSING:
            yield of_error(error, where)


FEW = 5
"""Fields of other rules that are told."""


class Regranted(NamedTuple):
    """What granting the levels of a release again came to."""

    findings: tuple[Finding, ...] = ()
    """The file does not follow from the ledger, or nobody can tell whether it does."""
    overclaimed: tuple[Blocker, ...] = ()
    """Pages state more than is proven: it follows, and does not certify what they say."""
    outcome: Outcome = Outcome.PASSED
    """Failed when what a page states was seen to fail, ``cantTell`` when it is not proven."""
    notes: tuple[str, ...] = ()
    demands: tuple[Blocker, ...] = ()
    """Asked of whoever maintains the pages; nothing of it speaks against evidence or release."""


def regranted(
    store: EvidenceStore, directory: SubjectDir, keys: Collection[PublicKey], here: Producer, place: str
) -> Regranted:
    """Whether the levels that a release states follow from the ledger as it was, and what they demand."""
    where = f"{place}/{layout.CONNECTOR_LEVELS}"
    if not (directory.path / layout.CONNECTOR_LEVELS).exists():
        return Regranted()
    found = verify_levels(store, directory, trusted=keys)
    if found.problems:
        made = directory.read(layout.CONNECTOR_LEVELS, ConnectorLevels).producer
        return Regranted(tuple(contradicted(list(disagreeing(where, found.problems)), where, made, here)))
    other = found.summary.get("other_rules")
    other = other if isinstance(other, list) else []
    demands = tuple(blocker for blocker in found.because if is_demand(blocker))
    overclaimed = tuple(blocker for blocker in found.because if is_overclaim(blocker))
    others = [blocker for blocker in found.because if blocker not in (*demands, *overclaimed)]
    return Regranted(
        tuple(_untold(blocker, where) for blocker in others),
        overclaimed,
        found.outcome if overclaimed else Outcome.PASSED,
        tuple(f"{where}: granted by other rules than those of here: {one}" for one in other[:FEW]),
        demands,
    )


def _untold(blocker: Blocker, where: str) -> Finding:
    return Finding(
        kind=Kind.UNVOUCHED,
        path=where,
        message=f"{blocker.code}: {blocker.message}",
        remedy=blocker.next_step,
        outcome=Outcome.CANT_TELL,
    )


def levels_now(
    store: EvidenceStore, directory: SubjectDir, keys: Collection[PublicKey]
) -> tuple[VerifiedLevel, ...]:
    """What each connector's level is at this moment, whatever was stated: evidence expires."""
    try:
        stated = {
            (one.policy, one.name): one.level
            for one in directory.read(layout.CONNECTOR_LEVELS, ConnectorLevels).connectors
        }
    except EvidenceError:
        stated = {}
    try:
        now, _ = levels_of(store, directory.engine, utc_now(), trusted=keys, keep=False)
    except EvidenceError:
        return ()
    return tuple(
        VerifiedLevel(
            connector=one.name,
            policy=one.policy,
            stated=stated.get((one.policy, one.name)),
            level=one.level,
            expires_at=one.expires_at,
        )
        for one in now.connectors
    )
