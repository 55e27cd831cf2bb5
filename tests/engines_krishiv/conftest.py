"""The driver's files beside a Krishiv that only remembers what it was asked; no wheel is needed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from certification_pipeline.harness.engines.environment import ENGINES, KIT

NAMES = ("jobs", "failures", "krishiv", "certify_driver")


class Krishiv(ModuleType):
    """Answers every query with a frame of three rows."""

    def __init__(self) -> None:
        super().__init__("krishiv")
        self.asked: list[Any] = []
        self.raises: Exception | None = None
        self.rows = 3
        self.Session = SimpleNamespace(embedded=lambda: self)

    def _frame(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if self.raises:
            raise self.raises
        return SimpleNamespace(
            create_or_replace_temp_view=lambda name: None,
            num_rows=lambda: self.rows,
            collect=lambda: SimpleNamespace(batches=lambda: ["batch"]),
            write_parquet=lambda path: self.asked.append(("write_parquet", path)),
            write_file=lambda path, kind, mode: self.asked.append(("write_file", path, kind, mode)),
        )

    def read_parquet(self, path: str) -> Any:
        return self._frame("read_parquet", path)

    def sql(self, query: str) -> Any:
        return self._frame("sql", query)

    def read_delta(self, session: Any, path: str) -> Any:
        return self._frame("read_delta", path)

    def read_hudi(self, session: Any, path: str) -> Any:
        return self._frame("read_hudi", path)

    def write_delta(self, path: str, batches: Any, mode: str) -> None:
        self.asked.append(("write_delta", path, mode))

    def write_hudi_append(self, session: Any, path: str, frame: Any) -> Any:
        self.asked.append(("write_hudi_append", path))
        return SimpleNamespace(rows_inserted=3, rows_updated=0, snapshot_rows=3)

    def write_hudi_upsert(self, session: Any, path: str, key: str, frame: Any) -> Any:
        self.asked.append(("write_hudi_upsert", path, key))
        return SimpleNamespace(rows_inserted=1, rows_updated=2, snapshot_rows=4)


@pytest.fixture
def krishiv(monkeypatch: pytest.MonkeyPatch) -> Iterator[Krishiv]:
    fake = Krishiv()
    held = {name: sys.modules.pop(name, None) for name in NAMES}
    monkeypatch.setattr(sys, "path", [str(KIT), str(ENGINES / "krishiv"), *sys.path])
    sys.modules["krishiv"] = fake
    yield fake
    for name, module in held.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


@pytest.fixture
def jobs(krishiv: Krishiv) -> ModuleType:
    return importlib.import_module("jobs")


@pytest.fixture
def failures(krishiv: Krishiv) -> ModuleType:
    return importlib.import_module("failures")


@pytest.fixture
def request_of(tmp_path: Path) -> Any:
    """A load request, as the harness writes it; the source's directory is there."""

    def make(sink: str, strategy: str, **options: Any) -> dict[str, Any]:
        (tmp_path / "in" / "ns" / "t").mkdir(parents=True, exist_ok=True)
        return {
            "run_id": "r",
            "source": {"system": "parquet", "dsn": str(tmp_path / "in"), "namespace": "ns", "name": "t"},
            "sink": {"system": sink, "dsn": str(tmp_path / "out"), "namespace": "ns", "name": "t"},
            "columns": [],
            "primary_key": ["id"],
            "cursor": 'up"dated',
            "strategy": strategy,
            "options": options,
            "state_dir": str(tmp_path),
        }

    return make
