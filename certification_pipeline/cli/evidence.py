"""Which evidence a command is about: root, release, engines."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.evidence.anchor import Anchor
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.report.loading import chosen_release
from certification_pipeline.settings import SettingsError, load_settings, matching_engines


def open_release(
    evidence_dir: Path | None, release_id: str | None, engines: list[str] | None
) -> tuple[EvidenceStore, str, tuple[str, ...]]:
    """The store, the release (the latest by default) and its engines, or those asked for.

    Raises ``EvidenceError`` when the release or an engine in it is not there, naming what is.
    """
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    release = chosen_release(store, release_id)
    there = store.engines(release)
    for name in engines or ():
        if not matching_engines((name,), there):
            what = f"has no evidence of engine {name!r}"
            remedy = f"Choose from: {', '.join(there)}"
            raise EvidenceError(str(store.release_path(release)), None, what, remedy, ProblemKind.MISSING)
    return store, release, matching_engines(engines, there) if engines else there


def open_subject(
    evidence_dir: Path | None, release_id: str | None, engine: str | None
) -> tuple[EvidenceStore, SubjectDir]:
    """As :func:`open_release`, for what is about one subject: the engine named, or the release's only one.

    Raises ``SettingsError`` when there are several to choose from.
    """
    store, release, engines = open_release(evidence_dir, release_id, [engine] if engine else None)
    if len(engines) != 1:
        held = ", ".join(engines) or "no engine"
        raise SettingsError(f"--engine is needed: release {release} holds {held}", "name one of them")
    return store, store.release(release, engines[0])


def subject_dirs(
    evidence_dir: Path | None, release_id: str | None, engines: list[str] | None
) -> list[SubjectDir]:
    """As :func:`open_release`: one directory an engine."""
    store, release, names = open_release(evidence_dir, release_id, engines)
    return [store.release(release, name) for name in names]


def given_anchor(given: str | None) -> Anchor | None:
    """What ``--anchor`` names; a usage error when that cannot be read, or is no anchor."""
    if given is None:
        return None
    from certification_pipeline.gates.chain_anchor import read_anchor  # noqa: PLC0415 - lazy on purpose

    try:
        return read_anchor(given)
    except EvidenceError as error:
        raise SettingsError(f"--anchor: {error.path}: {error.problem}", error.remedy) from None


def trusted_keys(evidence_dir: Path | None, keys: list[str] | None) -> tuple[PublicKey, ...]:
    """Whose statements about deployments count: the keys given or configured, and our own signer's."""
    settings = load_settings(evidence_dir=evidence_dir, trusted_keys=tuple(keys) if keys else None)
    signer = settings.signer()
    return (*settings.trusted(), *((signer.public_key,) if signer else ()))


Side = tuple[str, str]
"""Release id, engine."""


def sides_to_compare(
    evidence_dir: Path | None, engines: tuple[str, ...], releases: tuple[str, ...]
) -> tuple[EvidenceStore, list[tuple[Side, Side]]]:
    """What is to be compared, before and after; empty when it has to be run first."""
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    match releases, engines:
        case (before, after), (first, second):
            open_release(evidence_dir, before, [first])
            open_release(evidence_dir, after, [second])
            return store, [((before, first), (after, second))]
        case (before, after), _:
            _, _, left = open_release(evidence_dir, before, list(engines))
            _, _, right = open_release(evidence_dir, after, list(engines))
            both = [name for name in left if name in right]
            if not both:
                held = f"{before} holds {', '.join(left)}; {after} holds {', '.join(right)}"
                remedy = "name one of each: --engine BEFORE --engine AFTER"
                raise SettingsError(f"--release-id: no engine is in both: {held}", remedy)
            return store, [((before, name), (after, name)) for name in both]
        case (_, (first, second)):
            latest = store.latest()
            newest = [*reversed(store.releases())]
            known = releases or tuple(name for name in (latest, *newest) if name)
            there = [name for name in known if {first, second} <= set(store.engines(name))]
            return store, [((there[0], first), (there[0], second))] if there else []
    return store, []


def inside(directory: SubjectDir, path: Path) -> str:
    """A file that was named, relative to the subject's directory. ``EvidenceError`` for a path outside."""
    try:
        return str(path.absolute().relative_to(directory.path.absolute()))
    except ValueError:
        remedy = "Copy the file there: evidence of a release lies in its own directory"
        raise EvidenceError(str(path), None, f"lies outside {directory.path}", remedy) from None
