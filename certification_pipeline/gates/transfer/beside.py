"""Production attestations: they belong to no release and lie in no chain, and levels rest on them.

Each is a signed statement, written once. What it is worth is decided by whose key is trusted, wherever it
lies; so they are carried as they are, never over one that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import create_atomically, read_no_follow, safe_segment
from certification_pipeline.evidence.seal.dsse import read_envelope
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.remote import Conditions, RemoteStore

_SUFFIX = ".intoto.jsonl"
_LARGEST = 1 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Carried:
    """How many were not there before, and what is to be told."""

    files: int
    notes: tuple[str, ...]


def push_attestations(
    store: EvidenceStore, remote: RemoteStore, engine: str, conditions: Conditions
) -> Carried:
    """Create each that is not in the store; one of that name with other content is left there, and told."""
    files, notes = 0, []
    place = store.root / layout.ATTESTED / engine
    for path in sorted(place.glob(f"*{_SUFFIX}")) if place.is_dir() and not place.is_symlink() else ():
        key = _key(engine, path.name)
        data = read_no_follow(path, f"{layout.ATTESTED}/{engine}/{path.name}", _LARGEST)
        there = remote.read(key, _LARGEST)
        if there is None and not conditions.create:
            remote.overwrite(key, data)
            files += 1
        elif there is None and remote.create(key, data):
            files += 1
        elif there is not None and there.data != data:
            notes.append(f"the store has another {key}, which was left as it is")
    return Carried(files, tuple(notes))


def pull_attestations(store: EvidenceStore, remote: RemoteStore, engine: str) -> Carried:
    """Put each that is not here in place, if it is an envelope at all; what is here stays."""
    files, notes = 0, []
    place = store.root / layout.ATTESTED / engine
    if place.is_symlink() or place.parent.is_symlink():
        raise EvidenceError(str(place), None, "is a symbolic link", "Put the directory itself there")
    for key, name in _there(remote, engine):
        found = remote.read(key, _LARGEST)
        if found is None:
            continue
        try:
            read_envelope(found.data, f"{remote.shown}/{key}")
        except EvidenceError as error:
            notes.append(f"left in the store, as it is no attestation: {error}")
            continue
        path = place / name
        if not path.exists() and not path.is_symlink():
            create_atomically(path, found.data)
            files += 1
        elif read_no_follow(path, str(path), _LARGEST) != found.data:
            notes.append(f"{path} is another than the store's, and was left as it is")
    return Carried(files, tuple(notes))


def _there(remote: RemoteStore, engine: str) -> Iterator[tuple[str, str]]:
    prefix = f"{layout.ATTESTED}/{safe_segment(engine, 'engine name')}/"
    for key in sorted(remote.names(prefix)):
        name = key.removeprefix(prefix)
        if name.endswith(_SUFFIX):
            yield _key(engine, name), name


def _key(engine: str, name: str) -> str:
    return f"{layout.ATTESTED}/{engine}/{safe_segment(name, 'attestation name', _LONGEST_NAME)}"
