"""Engines that misbehave on purpose, in Python and in shell: what is red is exactly what they did.

Each is the scaffold's driver, which is green, with one line changed. The numbers follow from the workload:
120 rows, two change rounds of seed 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.harness.engines.environment import KIT, PreparedEngine, child_environment
from certification_pipeline.harness.engines.scaffolding import Language, scaffold
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.worker import CellResult
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

pytestmark = pytest.mark.integration

PYTHON_COPIED = 'copied = psql(job.source, f"COPY {source} TO STDOUT", strip=False)'
SHELL_COPIED = '"COPY $from TO STDOUT" >"$rows_file" || { explain $? source; return; }'
PYTHON_RESULT = '    return {"extracted_rows": copied'
SHELL_RESULT = '  say "{\\"type\\": \\"result\\"'

ROUNDS = (
    "after load 1",
    "after load 2 (first change round)",
    "after load 3 (second change round)",
    "after load 4 (idle rerun)",
)
# Rows of the first state: what came later is missing, what changed is old, what was deleted is there again.
FIRST_ROUND = "lost 6, resurrected_delete 6, stale 12"
SECOND_ROUND = "lost 12, resurrected_delete 9, stale 21"
NO_TABLE = "the table does not exist"


def at_each(*seen: str) -> tuple[str, ...]:
    return tuple(f"{step}: {words}" for step, words in zip(ROUNDS, seen, strict=True) if words)


# name: (line of the Python driver, its replacement), the same in shell, scenario, all that is then red
MISBEHAVING: dict[str, tuple[tuple[str, str], tuple[str, str], str, tuple[str, ...]]] = {
    "loses_a_row": (
        (PYTHON_COPIED, PYTHON_COPIED + '\n    copied = copied.split("\\n", 1)[1]'),
        (SHELL_COPIED, SHELL_COPIED + '\n  sed -i 1d "$rows_file"'),
        "strategy.full_refresh",
        at_each(*["lost 1"] * 4),
    ),
    "duplicates_a_row": (
        (PYTHON_COPIED, PYTHON_COPIED + '\n    copied += copied.split("\\n", 1)[0] + "\\n"'),
        (SHELL_COPIED, SHELL_COPIED + '\n  sed -i 1p "$rows_file"'),
        "strategy.full_refresh",
        at_each(*["duplicate 1"] * 4),
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
        at_each("", FIRST_ROUND, SECOND_ROUND, SECOND_ROUND),
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
        at_each(*[f"lost {rows}, {NO_TABLE}" for rows in (120, 120, 123, 123)]),
    ),
    "lies_about_counts": (
        ('"final_rows": rows}', '"final_rows": rows + 1}'),
        ('\\"final_rows\\": $rows', '\\"final_rows\\": $((rows + 1))'),
        "obs.counts",
        tuple(f"load {n}: final_rows {rows + 1}, not {rows}" for n, rows in ((1, 120), (2, 120), (3, 123))),
    ),
    "leaks_the_password": (
        ('"{end.system} refused the login"', 'f"no login at {end.dsn}"'),
        ('fail authentication "the $2 refused the login"', 'fail authentication "no login: $source_env"'),
        "obs.taxonomy",
        ("load 3, wrong password: secret_in_message True, not False",),
    ),
    "exits_0_without_an_answer": (
        (PYTHON_RESULT, "    os._exit(0)\n" + PYTHON_RESULT),
        (SHELL_RESULT, "  exit 0\n" + SHELL_RESULT),
        "strategy.full_refresh",
        ("load 1: load_ended exit, not result",),
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


def red(result: CellResult) -> Iterator[str]:
    """Every judgement that is not green, and what it says."""
    for one in result.judgements:
        if one.outcome is Outcome.PASSED:
            continue
        if one.kind == "rows":
            found = [f"{anomaly} {count}" for anomaly, count in sorted(one.anomalies.items())]
            columns = one.missing_columns + one.unexpected_columns
            remark = [one.remark.rpartition(": ")[2]] if one.remark else []
            yield f"{one.step}: " + ", ".join([*found, *columns, *remark])
        else:
            yield f"{one.step}: {one.name} {one.observed}, not {one.expected}"


def certified(shop: Shop, prepared: PreparedEngine, scenario: str) -> CellResult:
    workshop = replace(shop.open({"fake": ""}), engines={"fake": prepared})
    (result,) = run_cells([planned(scenario)], workshop, 1)
    assert result.reason is None, result.detail
    return result


QUICK = {("loses_a_row", "python"), ("lies_about_counts", "shell")}


@pytest.mark.nightly
@pytest.mark.parametrize("language", ["python", "shell"])
@pytest.mark.parametrize("scenario", sorted({scenario for *_, scenario, _ in MISBEHAVING.values()}))
def test_the_unchanged_driver_is_green(shop: Shop, tmp_path: Path, scenario: str, language: Language) -> None:
    result = certified(shop, misbehaving("", language, tmp_path / "engines"), scenario)
    assert tuple(red(result)) == ()
    assert result.judgements


@pytest.mark.parametrize(
    ("name", "language"),
    [
        pytest.param(name, language, marks=() if (name, language) in QUICK else pytest.mark.nightly)
        for name in MISBEHAVING
        for language in ("python", "shell")
    ],
)
def test_each_is_judged_right(shop: Shop, tmp_path: Path, name: str, language: Language) -> None:
    *_, scenario, truth = MISBEHAVING[name]
    result = certified(shop, misbehaving(name, language, tmp_path / "engines"), scenario)
    assert tuple(red(result)) == truth
    secret = shop.services["postgres"].source().dsn.split(":")[2].split("@")[0]
    assert secret not in repr(result)
