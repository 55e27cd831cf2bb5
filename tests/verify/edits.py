"""Single edits of an evidence directory: each is one thing somebody does to one file (or exchanges two).

An edit gets the root, the relative path it is about and a source of chance; it returns the paths it touched,
or ``None`` where it cannot be done to that file (then nothing was changed).
"""

from __future__ import annotations

from tests.verify.edit import Edit, files
from tests.verify.edits_of_bytes import BYTES
from tests.verify.edits_of_files import FILES
from tests.verify.edits_of_json import JSON, RESEALED

__all__ = ["EDITS", "Edit", "files"]

EDITS: dict[str, Edit] = {**BYTES, **JSON, **RESEALED, **FILES}
