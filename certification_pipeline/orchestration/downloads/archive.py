"""A release as one zip, made while it is sent: memory stays flat however large the release is."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.orchestration.downloads.files import CHUNK, Found, RefusedError, read, walk


def zipped(root: Path, release_id: str) -> Iterator[bytes]:
    """The release's files as they lie below the root, and its engines' chains: `certify verify` reads it.

    Raises ``RefusedError`` before the first byte when there is no such release; what is not sent by itself (a
    key that lies there) or goes meanwhile is not in the archive either.
    """
    release = (layout.RELEASES, release_id)
    listed = read(root, release)
    if isinstance(listed, Found):
        listed.file.close()
        raise RefusedError(HTTPStatus.NOT_FOUND, f"{release_id!r} is no release")
    engines = [e.name for e in listed if e.is_directory]
    chains = read(root, ())
    there = isinstance(chains, list) and any(e.name == layout.CHAIN for e in chains)
    places: list[tuple[str, ...]] = [release, *((layout.CHAIN, engine) for engine in engines if there)]
    return _written(root, places)


def _written(root: Path, places: list[tuple[str, ...]]) -> Iterator[bytes]:
    sent = _Sent()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for place in places:
            for parts in walk(root, place):
                try:
                    found = read(root, parts)
                except RefusedError:
                    continue
                if isinstance(found, Found):
                    yield from _file(archive, sent, found, "/".join(parts))
    yield sent.taken()


def _file(archive: zipfile.ZipFile, sent: _Sent, found: Found, name: str) -> Iterator[bytes]:
    with found.file as file:
        about = zipfile.ZipInfo(name, time.gmtime()[:6])
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = 0o644 << 16
        with archive.open(about, "w", force_zip64=True) as entry:
            while chunk := file.read(CHUNK):
                entry.write(chunk)
                if sent.waiting > CHUNK:
                    yield sent.taken()


class _Sent(io.RawIOBase):
    """Takes what the archive writes, and gives it away before the next piece."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self.waiting = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        self.waiting += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        pieces, self._pieces, self.waiting = b"".join(self._pieces), [], 0
        return pieces
