"""Drivers' modules, loaded from their files: they belong to environments of their own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from certification_pipeline.harness.engines import environment

ENGINES = Path(environment.__file__).parent


def module(folder: str, name: str) -> ModuleType:
    """``engines/<folder>/<name>.py``, with the driver kit on the path while it is loaded."""
    path = ENGINES / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", path)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look their module up
    sys.path.insert(0, str(ENGINES / "kit"))
    try:
        spec.loader.exec_module(made)
    finally:
        sys.path.remove(str(ENGINES / "kit"))
    return made
