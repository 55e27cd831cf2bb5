"""Engines that misbehave on purpose, in Python and in shell: each turns its cells red, with the right words.

Each is the scaffold's driver, which is green, with one line changed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.harness.engines.environment import KIT, PreparedEngine, child_environment
from certification_pipeline.harness.engines.scaffolding import Language, scaffold
from certification_pipeline.harness.runner import CellResult, run_cells
from tests.harness.conftest import (
    Shop,
    catalog,
    cluster,
    guardian,
    oracle,
    planned,
    redactor,
    shop,
)

__all__ = ["catalog", "cluster", "guardian", "oracle", "redactor", "shop"]

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

PYTHON_COPIED = 'copied = psql(job.source, f"COPY {source} TO STDOUT", strip=False)'
SHELL_COPIED = '"COPY $from TO STDOUT" >"$rows_file" || { explain $? source; return; }'
PYTHON_RESULT = '    return {"extracted_rows": copied'
SHELL_RESULT = '  say "{\\"type\\": \\"result\\"'

# name: (line of the Python driver, its replacement), the same in shell, scenario, what is then seen
MISBEHAVING: dict[str, tuple[tuple[str, str], tuple[str, str], str, str]] = {
    "loses_a_row": (
        (PYTHON_COPIED, PYTHON_COPIED + '\n    copied = copied.split("\\n", 1)[1]'),
        (SHELL_COPIED, SHELL_COPIED + '\n  sed -i 1d "$rows_file"'),
        "strategy.full_refresh",
        Anomaly.LOST,
    ),
    "duplicates_a_row": (
        (PYTHON_COPIED, PYTHON_COPIED + '\n    copied += copied.split("\\n", 1)[0] + "\\n"'),
        (SHELL_COPIED, SHELL_COPIED + '\n  sed -i 1p "$rows_file"'),
        "strategy.full_refresh",
        Anomaly.DUPLICATE,
    ),
    "swallows_updates": (
        (
            PYTHON_COPIED,
            PYTHON_COPIED
            + '\n    kept = job.state_dir / "first"\n    if kept.exists():\n        copied = kept.read_text()'
            + "\n    kept.write_text(copied)",
        ),
        (
            SHELL_COPIED,
            SHELL_COPIED + '\n  [ -f first ] && cp first "$rows_file"\n  cp "$rows_file" first',
        ),
        "strategy.full_refresh",
        Anomaly.STALE,
    ),
    "claims_success_with_nothing_done": (
        ('    job.phase("extract")', '    return {"loaded_rows": 120}'),
        (
            "  there=$(run_psql",
            '  say "{\\"type\\": \\"result\\", \\"run_id\\": $run_json, '
            '\\"record\\": {\\"run_id\\": $run_json, '
            '\\"engine\\": \\"e\\", \\"engine_version\\": \\"1\\"}}"; return\n  there=$(run_psql',
        ),
        "strategy.full_refresh",
        "the table does not exist",
    ),
    "lies_about_counts": (
        ('"final_rows": rows}', '"final_rows": rows + 1}'),
        ('\\"final_rows\\": $rows', '\\"final_rows\\": $((rows + 1))'),
        "obs.counts",
        "final_rows",
    ),
    "leaks_the_password": (
        ('"{end.system} refused the login"', 'f"no login at {end.dsn}"'),
        ('fail authentication "the $2 refused the login"', 'fail authentication "no login: $source_env"'),
        "obs.taxonomy",
        "secret_in_message",
    ),
    "exits_0_without_an_answer": (
        (PYTHON_RESULT, "    os._exit(0)\n" + PYTHON_RESULT),
        (SHELL_RESULT, "  exit 0\n" + SHELL_RESULT),
        "strategy.full_refresh",
        "load_ended exit",
    ),
}


def misbehaving(name: str, language: Language, folder: Path) -> PreparedEngine:
    in_python, in_shell, *_ = MISBEHAVING.get(name, (("", ""), ("", ""), "", ""))
    line, instead = in_python if language == "python" else in_shell
    scaffold("fake", language, folder)
    driver = folder / "fake" / ("driver.py" if language == "python" else "driver.sh")
    text = driver.read_text().replace('f"{end.system} refused', '"{end.system} refused')
    assert text.count(line) >= 1, "the scaffold has changed"
    driver.write_text(text.replace(line, instead, 1))
    command = (sys.executable, str(driver)) if language == "python" else (str(driver),)
    return PreparedEngine(command, child_environment({"PYTHONPATH": str(KIT)}), "")


def seen(result: CellResult) -> str:
    """Everything that the red judgements say."""
    words = []
    for one in result.judgements:
        if one.outcome is not Outcome.FAILED:
            continue
        if one.kind == "rows":
            words += [*map(str, one.anomalies), one.remark or ""]
        else:
            words.append(f"{one.name} {one.observed}")
    return " | ".join(words)


@pytest.mark.parametrize("language", ["python", "shell"])
@pytest.mark.parametrize("scenario", sorted({scenario for *_, scenario, _ in MISBEHAVING.values()}))
def test_the_unchanged_driver_is_green(shop: Shop, tmp_path: Path, scenario: str, language: Language) -> None:
    prepared = misbehaving("", language, tmp_path / "engines")
    workshop = replace(shop.open({"fake": ""}), engines={"fake": prepared})
    (result,) = run_cells([planned(scenario)], workshop, 1)
    red = seen(result).replace("inserted_rows None", "").strip(" |")
    assert result.reason is None
    assert red == ""


@pytest.mark.parametrize("language", ["python", "shell"])
@pytest.mark.parametrize("name", MISBEHAVING)
def test_each_is_judged_right(shop: Shop, tmp_path: Path, name: str, language: Language) -> None:
    *_, scenario, says = MISBEHAVING[name]
    prepared = misbehaving(name, language, tmp_path / "engines")
    workshop = replace(shop.open({"fake": ""}), engines={"fake": prepared})
    (result,) = run_cells([planned(scenario)], workshop, 1)
    assert result.reason is None, result.detail
    assert says in seen(result), seen(result)
    secret = shop.services["postgres"].source().dsn.split(":")[2].split("@")[0]
    assert secret not in repr(result)
