"""An engine's artefact as one file, so that a later release can run it again beside its successor.

Of an engine that is a module of this package: the package's Python source. Of an engine that is a script, or
a command in its own folder: that folder, with the lock files from which its environments are made again. Of
any other command nothing is kept: it is not ours to copy.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.harness.engines.environment import (
    ENGINES,
    EngineUnavailable,
    PreparedEngine,
    files_of,
    folder_of,
    is_ours,
    prepare,
    prepare_ours,
)

PACKAGE = ENGINES.parents[1]
LARGEST = 64 << 20
"""Bytes of all files of a snapshot; more is no source code."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def snapshot(engine_id: str, driver: DriverSpec, *, engines: Path = ENGINES) -> bytes | None:
    """A zip file that is the same for the same content; ``None`` for an engine that cannot be kept."""
    found = dict(_files(engine_id, driver, engines))
    if not found:
        return None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(found.items()):
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def restore(
    engine_id: str,
    driver: DriverSpec,
    data: bytes,
    folder: Path,
    on_progress: Callable[[str], None] | None = None,
) -> PreparedEngine:
    """Unpack a snapshot into ``folder`` (empty) and make ready what is in it.

    Raises :class:`EngineUnavailable` for a file that is no snapshot of this engine.
    """
    try:
        _unpack(data, folder)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise EngineUnavailable(
            f"{engine_id}: the pinned artefact cannot be unpacked: {error}", "pin a baseline again"
        ) from None
    if driver.script or is_in_folder(driver):
        if is_in_folder(driver):
            (folder / (driver.folder or engine_id) / driver.command[0]).chmod(0o755)
        home = folder / engine_id if driver.home else None
        return prepare(engine_id, driver.model_copy(update={"home": home}), on_progress, engines=folder)
    return prepare_ours(engine_id, driver.command, folder)


def is_in_folder(driver: DriverSpec) -> bool:
    """Whether the command lies in the engine's folder."""
    return bool(driver.command) and driver.command[0].startswith(".")


def _files(engine_id: str, driver: DriverSpec, engines: Path) -> Iterator[tuple[str, Path]]:
    if driver.script or is_in_folder(driver):
        folders = {driver.folder or engine_id: folder_of(engine_id, driver, engines)}
        if driver.home:
            folders[engine_id] = driver.home
        for name, folder in folders.items():
            for inside, path in files_of(folder):
                yield f"{name}/{inside}", path
    elif is_ours(driver.command):
        for path in PACKAGE.rglob("*.py"):
            yield f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}", path


def _unpack(data: bytes, folder: Path) -> None:
    """Plain files below ``folder`` and nothing else."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise ValueError(f"it holds more than {LARGEST} bytes")
        for entry in archive.infolist():
            parts = entry.filename.split("/")
            if entry.filename.startswith("/") or not all(part and part != ".." for part in parts):
                raise ValueError(f"{entry.filename!r} is no path inside it")
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(entry))
