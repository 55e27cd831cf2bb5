"""Files a format is held to. ``UPDATE_GOLDEN=1`` writes them anew: look at what changed before it is kept."""

from __future__ import annotations

import os
from pathlib import Path


def golden(path: Path, data: bytes) -> None:
    """``data`` is what ``path`` holds."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(data)
    assert data.decode() == path.read_bytes().decode()
