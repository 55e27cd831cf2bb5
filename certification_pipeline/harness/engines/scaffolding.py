"""Writes a driver to begin with: a folder with a catalogue entry, a driver that runs, and a README."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from certification_pipeline.harness.engines.environment import ENGINES, KIT

TEMPLATES = ENGINES / "scaffold"
Language = Literal["python", "shell"]

_FILES: dict[Language, str] = {"python": "driver.py", "shell": "driver.sh"}
_STARTS: dict[Language, str] = {"python": "script: driver.py", "shell": "command: [./driver.sh]"}


def scaffold(name: str, language: Language, directory: Path) -> tuple[Path, ...]:
    """Write ``<directory>/<name>/``; returns the files. Raises ``FileExistsError`` when it is there."""
    folder = directory / name
    folder.mkdir(parents=True)
    driver = _FILES[language]
    words = {
        "ENGINE_ID": name,
        "ENGINE_TITLE": name.replace("_", " ").capitalize(),
        "ENGINE_DRIVER": _STARTS[language],
        "ENGINE_FILE": driver,
    }
    made = []
    for file in ("engine.yaml", driver, "README.md"):
        text = (TEMPLATES / f"{file}.tmpl").read_text()
        for word, value in words.items():
            text = text.replace(word, value)
        made.append(folder / file)
        made[-1].write_text(text)
    if language == "shell":
        (folder / driver).chmod(0o755)
    else:
        made.append(folder / "certify_driver.py")
        made[-1].write_bytes((KIT / "certify_driver.py").read_bytes())
    return tuple(made)
