"""The driver's modules, and tap and target that are a few lines of Python each."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from certification_pipeline.harness.engines import environment

ENGINES = Path(environment.__file__).parent
MODULES = ("driver", "failures", "folder", "pair", "settings", "stream")


@pytest.fixture(scope="session")
def singer() -> Iterator[dict[str, ModuleType]]:
    """By name; they are scripts beside each other and import nothing but Python and the kit."""
    paths = [str(ENGINES / "singer"), str(ENGINES / "kit")]
    hidden = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    sys.path[:0] = paths
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        for path in paths:
            sys.path.remove(path)
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
