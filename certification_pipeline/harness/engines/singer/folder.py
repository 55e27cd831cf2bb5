"""What is kept from load to load: the state, and the catalogue as it was discovered.

Files are written whole or not at all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from certify_driver import Failure  # type: ignore[import-not-found]


class Folder:
    """The files of one table in the engine's state folder. A file that is damaged is a failure, ``state``."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.state_file = home / "state.json"

    def state(self) -> dict[str, Any] | None:
        """The state the target printed last; ``None`` before the first load."""
        if not self.state_file.exists():
            return None
        found = _parsed(self.state_file)
        return found if isinstance(found, dict) else None

    def keep_state(self, line: bytes) -> None:
        """Remember a state, byte for byte as the target printed it."""
        self._write(self.state_file, line)

    def write(self, name: str, document: Any) -> Path:
        """A file for a program to read."""
        path = self.home / name
        self._write(path, json.dumps(document, ensure_ascii=False).encode())
        return path

    def read(self, name: str) -> Any:
        """What :meth:`write` wrote; ``None`` when it did not."""
        path = self.home / name
        return _parsed(path) if path.exists() else None

    def _write(self, path: Path, data: bytes) -> None:
        # A name of this load's own: a second load of the table at the same time writes beside, not into it.
        aside = path.with_name(f"{path.name}.{os.getpid()}.new")
        with aside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes() or b"{}")
    except ValueError as error:  # no UTF-8, or no JSON
        raise Failure("state", f"{path.name} is damaged: {type(error).__name__}") from None
