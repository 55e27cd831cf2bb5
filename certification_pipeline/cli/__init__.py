"""The command line: ``certify``. Holds no logic: each command calls what the Dagster assets call.

Nothing heavy is imported before a command runs, so that ``certify --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Entry point of ``certify``; always ends in ``SystemExit`` (0 green, 1 red, 2 usage, 3 inconclusive)."""
    from certification_pipeline.cli.errors import run_app  # noqa: PLC0415 - lazy on purpose

    raise SystemExit(run_app(argv))
