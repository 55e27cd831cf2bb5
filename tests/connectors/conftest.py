"""The command line as ``tests/cli`` has it."""

from __future__ import annotations

from tests.cli.conftest import certify

__all__ = ["certify"]
