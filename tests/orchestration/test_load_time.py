"""Every process that looks at a code location loads it: nothing heavy is imported before a step runs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from certification_pipeline.orchestration import late

ROOMS = (
    "families",
    "gates",
    "report",
    "harness.bench",
    "pipeline.cells",
    "pipeline.releases",
    "evidence.chain",
    "evidence.levels",
)
"""Of ours; the little that settings of the code location are checked with is light."""
HEAVY = (
    "pandas",
    "numpy",
    "duckdb",
    "psycopg",
    "pyarrow",
    "cryptography",
    "securesystemslib",
    "jinja2",
    "sqlalchemy",
    "openlineage",
    "obstore",
    "urllib3",
    "httpx2",
    "tenacity",
    "docker",
    "dagster_docker",
    *(f"certification_pipeline.{room}" for room in ROOMS),
)
PROGRAM = """
import sys
import dagster
before = set(sys.modules)
import certification_pipeline.definitions
print(*sorted(set(sys.modules) - before))
"""


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    loaded = said.split()
    assert "certification_pipeline.orchestration.build" in loaded
    assert [name for name in loaded if name.startswith(tuple(f"{one}." for one in HEAVY))] == []
    assert set(HEAVY) & set(loaded) == set()


def test_a_step_gets_what_the_type_checker_sees() -> None:
    assert late._room_of()["run_cells"] == "certification_pipeline.pipeline.cells"
    for name, room in late._room_of().items():
        assert getattr(late, name) is getattr(import_module(room), name)


def test_what_is_not_named_is_not_there() -> None:
    with pytest.raises(AttributeError, match="run_cellz"):
        _ = late.run_cellz  # type: ignore[attr-defined]
