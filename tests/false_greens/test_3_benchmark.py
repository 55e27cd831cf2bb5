"""False green 3: a missing metric passed, an empty baseline passed, a mistyped direction meant higher, and a
ratio of 5 gave a threshold of -400.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Certify

BASELINE = '{"p99":{"value":10,"direction":"lower"}}'


@pytest.mark.parametrize(
    ("metrics", "baseline", "ratio"),
    [
        ("{}", BASELINE, "0.1"),
        ('{"p99":-Infinity}', BASELINE, "0.1"),
        ('{"p99":9}', "{}", "0.1"),
        ('{"p99":9}', BASELINE.replace("lower", "lowr"), "0.1"),
        ('{"p99":9}', BASELINE, "5"),
    ],
)
def test_it_is_red_or_refused(certify: Certify, root: Path, metrics: str, baseline: str, ratio: str) -> None:
    given = ("--metrics-json", metrics, "--baseline-json", baseline, "--allowed-regression-ratio", ratio)
    answer = certify("benchmark", "--evidence-dir", root, *given)
    assert answer.code in {1, 2}
    assert "Traceback" not in answer.err
