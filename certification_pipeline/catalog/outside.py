"""Where engines outside this package lie: ``<directory>/<id>/engine.yaml``, the driver beside it.

The directory is ``CERTIFY_ENGINES_DIR``, else ``engines`` where certify is started, when it is there.
Knows folders, not what is written in them.
"""

from __future__ import annotations

import os
from pathlib import Path

from certification_pipeline.catalog.problems import CatalogError, Problem

DIRECTORY_VARIABLE = "CERTIFY_ENGINES_DIR"
DEFAULT_DIRECTORY = "engines"
ENTRY = "engine.yaml"
"""The catalogue entry of an engine, in the engine's own folder."""


def engines_directory() -> Path | None:
    """The directory of engines of one's own, absolute; ``None`` when there is none.

    Raises ``CatalogError`` when the variable names something that is no directory: an engine that silently is
    not there would make a plan without it.
    """
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        directory = Path(named).expanduser().absolute()
        if not directory.is_dir():
            remedy = f"correct {DIRECTORY_VARIABLE}, or unset it"
            raise CatalogError([Problem(directory, 1, 1, "", "is not a directory", remedy)])
        return directory
    directory = Path(DEFAULT_DIRECTORY).absolute()
    return directory if directory.is_dir() else None


def entries(directory: Path | None) -> tuple[Path, ...]:
    """The catalogue entries below ``directory``, by name; none is fine."""
    return tuple(sorted(directory.glob(f"*/{ENTRY}"))) if directory else ()
