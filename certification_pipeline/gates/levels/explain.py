"""What a proof rests on, what it lacks, and the command that goes on from there."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.policies import CheckSpec, LevelPolicy
from certification_pipeline.catalog.vocabulary import Fidelity, Outcome
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.layout import FAMILY_ARTIFACTS, cell_path
from certification_pipeline.evidence.levels import ProofKind, Rest, Standing
from certification_pipeline.gates.levels.history import Coordinates, Said
from certification_pipeline.gates.levels.picture import Group, Picture
from certification_pipeline.gates.levels.proofs import Known, Named, attestations_of
from certification_pipeline.gates.levels.state import PAGES, Failure, State
from certification_pipeline.gates.levels.units import Certified
from certification_pipeline.gates.levels.walk import Walked

MOST_MISSING = 8
CONNECTORS = "connector_certification.json"


class Explained(NamedTuple):
    """About one proof; ``missing`` holds the first few."""

    rests_on: tuple[Rest, ...] = ()
    missing: tuple[str, ...] = ()
    more_missing: int = 0
    next_step: str | None = None


@dataclass(frozen=True)
class Asking:
    """Whom the question is about."""

    policy: LevelPolicy
    unit: Certified
    walked: Walked


def explain(asking: Asking, named: Named, standing: Standing, fidelity: frozenset[Fidelity]) -> Explained:
    """Why a proof stands as it does; ``fidelity`` as it was asked for."""
    policy, unit, walked = asking.policy, asking.unit, asking.walked
    known, engine = walked.known, walked.known.state.engine
    match named.kind:
        case ProofKind.SCENARIO:
            return _scenario(named.name, standing, unit, walked, fidelity)
        case ProofKind.DOCUMENT:
            return _document(named.name, standing, unit, known)
        case ProofKind.ITEM:
            return _item(policy.checks[named.name], standing, unit, known)
        case ProofKind.FAMILY:
            return _family(policy.checks[named.name], standing, known)
        case ProofKind.SOAK:
            return _soak(policy, named.name, standing, unit, known)
        case ProofKind.ATTESTATION:
            return _attestation(policy.checks[named.name], standing, unit, engine, known)


def _scenario(
    pattern: str, standing: Standing, unit: Certified, walked: Walked, fidelity: frozenset[Fidelity]
) -> Explained:
    state = walked.known.state
    profile = walked.last.profile if walked.last else ""
    again = _run(state.engine, unit, pattern, profile)
    if standing is Standing.INAPPLICABLE:
        return Explained()
    if failures := state.refuting(unit.name, pattern):
        told = list(dict.fromkeys(_failed(failure) for failure in failures))
        return _with(told, (), _rerun(state.engine, failures[0]))
    if not state.covered:
        whole = shlex.join(["certify", "run", "--engine", state.engine])
        return _with(["no release of this version planned everything"], (), whole)
    answered, missing = _answers(state, unit.name, pattern, fidelity)
    if not answered and not missing:
        missing = [f"no scenario {pattern} is planned for it"]
    return _with(missing, tuple(_rests(answered)), None if standing is Standing.PROVEN else again)


def _answers(
    state: State, unit: str, pattern: str, fidelity: frozenset[Fidelity]
) -> tuple[list[tuple[Said, Coordinates, str]], list[str]]:
    """(release, cell, digest) of everything that answers, and what is not answered."""
    answered, missing = [], []
    for group in sorted(state.current(unit, pattern)):
        newest = state.newest(group)
        if newest is None or not newest.answers[unit][group].applicable:
            continue
        found = state.answered(group, fidelity)
        if found is None:
            missing.append(_open(group, newest, fidelity))
            continue
        picture = found[0]
        for index in picture.passes(group, fidelity):
            digest = picture.last.digests[index] if picture.last.digests else None
            answered.append((picture.last, picture.cells[index].at, digest or ""))
    return answered, missing


def _rests(answered: Iterable[tuple[Said, Coordinates, str]]) -> Iterator[Rest]:
    by_release: dict[str, set[str]] = defaultdict(set)
    for said, at, digest in answered:
        by_release[said.release_id].add(f"{digest.removeprefix('sha256:')}  {_path(at)}")
    for release, lines in sorted(by_release.items()):
        text = "".join(f"{each}\n" for each in sorted(lines, key=lambda each: each.partition("  ")[2]))
        yield Rest(release_id=release, path="cells/", sha256=sha256(text.encode()), cells=len(lines))


def _path(at: Coordinates) -> str:
    return cell_path(f"{at.route}__{at.strategy}__{at.scenario}")


def _open(group: Group, newest: Picture, fidelity: frozenset[Fidelity]) -> str:
    what = f"{group.scenario} by {group.strategy} as {group.role}"
    weak = newest.answers[group.unit][group].passed
    if weak and fidelity:
        on = newest.cells[weak[0]].fidelity
        return f"{what}: passed on fidelity {on or 'unknown'}, not on {' or '.join(sorted(fidelity))}"
    indices = newest.answers[group.unit][group].flaky or newest.answers[group.unit][group].open
    if not indices:
        return f"{what}: not passed"
    cell = newest.cells[indices[0]]
    note = newest.last.notes.get(cell.at)
    word = "flaky" if cell.flaky else cell.outcome.value
    said = note.detail if note and note.detail else cell.reason.value if cell.reason else ""
    return f"{what}: {word}" + (f" ({said})" if said else "")


def _failed(failure: Failure) -> str:
    at = failure.cell.at
    note = failure.said.notes.get(at)
    said = f": {note.detail}" if note and note.detail else ""
    where = f"{at.scenario} by {at.strategy} on {at.route}"
    return f"{where} failed in release {failure.said.release_id} (seed {failure.said.seed}){said}"


def _rerun(engine: str, failure: Failure) -> str:
    """A failure is lifted by the same cell over the same rows, in a new release."""
    at = failure.cell.at
    which = ["--route", at.route, "--strategy", at.strategy, "--scenario", at.scenario]
    seed = ["--seed", str(failure.said.seed)]
    return shlex.join(["certify", "run", "--engine", engine, *which, *seed])


def _run(engine: str, unit: Certified, pattern: str, profile: str) -> str:
    routes = [unit.place] if "route" in unit.roles else []
    if not routes and "sink" in unit.roles:
        routes.append(f"*_to_{unit.place}")
    if not routes or "source" in unit.roles:
        routes.append(f"{unit.place}_to_*")
    words = ["certify", "run", *(["--profile", profile] if profile else []), "--engine", engine]
    for route in routes:
        words += ["--route", route]
    return shlex.join([*words, "--scenario", pattern])


def _document(template: str, standing: Standing, unit: Certified, known: Known) -> Explained:
    rests, missing = [], []
    path = template.partition("#")[0]
    for connector in unit.connectors:
        page = path.format(connector=connector)
        said = known.state.documents.get(page)
        if said is None:
            missing.append(f"{page} was not looked at in any release")
        else:
            rests.append(Rest(release_id=said.release_id, path=page, sha256=said.documents[page]))
    again = shlex.join(["certify", "connectors", "--engine", known.state.engine])
    if path.startswith(PAGES):
        items = _item_state(ChecklistItem.DOCUMENTATION_PAGE, unit, known)
        missing += [] if standing is Standing.PROVEN else items.missing
    return _with(missing, tuple(rests), None if standing is Standing.PROVEN else again)


def _item(check: CheckSpec, standing: Standing, unit: Certified, known: Known) -> Explained:
    assert check.item is not None  # that is what makes it an item
    found = _item_state(check.item, unit, known)
    if standing is Standing.PROVEN:
        return found._replace(missing=(), more_missing=0, next_step=None)
    again = shlex.join(["certify", "connectors", "--engine", known.state.engine])
    tested = any((name, check.item) in known.state.items for name in unit.connectors)
    remedy = found.next_step or (check.remedy if tested else None)
    return found._replace(next_step=f"{remedy.rstrip('.')}; then: {again}" if remedy else again)


def _item_state(item: ChecklistItem, unit: Certified, known: Known) -> Explained:
    rests, missing, remedy = [], [], None
    for connector in unit.connectors:
        state = known.state.items.get((connector, item))
        if state is None:
            missing.append(f"{connector}.{item}: no release tested it")
            continue
        if state.said.outcome not in (Outcome.PASSED, Outcome.INAPPLICABLE) or state.held is None:
            told = f": {state.said.detail}" if state.said.detail else ""
            missing.append(f"{connector}.{item} is {state.said.outcome.value}{told}")
            remedy = remedy or state.said.remedy
        if state.held is not None:
            digest = state.held.items_sha256
            rests.append(Rest(release_id=state.held.release_id, path=CONNECTORS, sha256=digest))
    return Explained(tuple(rests), tuple(missing), 0, remedy)


def _family(check: CheckSpec, standing: Standing, known: Known) -> Explained:
    assert check.family is not None  # that is what makes it a family
    found = known.state.families.get(check.family)
    if found is None:
        return _with([f"no release holds {check.family.value} evidence"], (), check.remedy)
    said, outcome = found
    path = FAMILY_ARTIFACTS[check.family]
    rests = (Rest(release_id=said.release_id, path=path, sha256=said.families[check.family][1]),)
    if standing is Standing.PROVEN:
        return Explained(rests)
    return _with([f"{path} of release {said.release_id} is {outcome.value}"], rests, check.remedy)


def _soak(policy: LevelPolicy, name: str, standing: Standing, unit: Certified, known: Known) -> Explained:
    check, streak = policy.checks[name], known.streaks.get((policy.id, unit.name, name))
    assert check.soak is not None  # that is what makes it a soak
    rule = check.soak
    needs = f"{rule.runs} green scheduled runs over {rule.days:g} days are needed"
    if standing is Standing.PROVEN:
        return Explained()
    seen = streak.seen_at(known.at) if streak else None
    if seen is None or seen.last is None or seen.started is None:
        why = f"; {seen.broken_by}" if seen and seen.broken_by else ""
        return _with([f"{needs}; there is no streak{why}"], (), check.remedy)
    span = (seen.last - seen.started).total_seconds() / 86400
    told = f"{needs}; so far {seen.runs} over {span:.1f} days"
    told += f", before that: {seen.broken_by}" if seen.broken_by else ""
    when = seen.enough_at
    step = f"{check.remedy} Enough on {when:%Y-%m-%d} if every run stays green." if when else check.remedy
    return _with([told], (), step)


def _attestation(
    check: CheckSpec, standing: Standing, unit: Certified, engine: str, known: Known
) -> Explained:
    assert check.attestation is not None  # that is what makes it one
    signed = attestations_of(unit, known, check.attestation.predicate)
    rests = tuple(Rest(release_id="", path=one.path, sha256=one.sha256) for one in signed)
    if standing is Standing.PROVEN:
        return Explained(rests)
    route = unit.place if "route" in unit.roles else f"{unit.place}_to_SINK"
    if unit.roles == ("sink",):
        route = f"SOURCE_to_{unit.place}"
    which = ["--engine", engine, "--route", route, "--deployment", "NAME", "--owner", "OWNER", "--key", "KEY"]
    step = shlex.join(["certify", "attest", check.attestation.predicate, *which])
    told = "the newest statement has expired" if signed else "no trusted statement is about it"
    return _with([told], rests, step)


def _with(missing: Sequence[str], rests: tuple[Rest, ...], step: str | None) -> Explained:
    return Explained(rests, tuple(missing[:MOST_MISSING]), max(0, len(missing) - MOST_MISSING), step)
