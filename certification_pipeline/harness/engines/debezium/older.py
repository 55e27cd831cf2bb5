"""pydbzengine's engine as 3.6.3.0 has it, on releases before: they start Java when they are imported."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from pydbzengine import DebeziumJsonEngine  # type: ignore[import-not-found]


class DebeziumEngine(DebeziumJsonEngine):  # type: ignore[misc]  # untyped here: it lives in the driver's environment
    """Told its format and Java's options as an argument, and built by ``_build_engine``."""

    def __init__(self, properties: dict[str, str], handler: Any, format: str, jvm_opts: list[str]) -> None:
        assert format == "json"
        os.environ["PYDBZ_JVM_OPTS"] = " ".join(jvm_opts)
        super().__init__(properties, handler)

    @cached_property
    def engine(self) -> Any:
        """Java's."""
        return self._build_engine()

    def _build_engine(self) -> Any:
        raise NotImplementedError

    def _ensure_jvm_started(self) -> None:
        import pydbzengine._jvm  # type: ignore[import-not-found]  # noqa: F401, PLC0415

    def _resolve_format(self) -> Any:
        from pydbzengine._jvm import EngineFormat  # noqa: PLC0415

        return EngineFormat.JSON
