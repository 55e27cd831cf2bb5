"""What may lie below an evidence directory is what certify itself puts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.gates.verify.inventory import strange

TRIALS = "calibration/0123456789abcdef/trials"


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        (f"{TRIALS}/clean-001/postgres_to_duckdb__replace__batch.empty.json", True),
        (f"{TRIALS}/commit_in_doubt/reference_two_phase:postgres_to_postgres__cdc__rec.kill.json", True),
        (f"{TRIALS}/commit_in_doubt/a:b:postgres_to_postgres__cdc__rec.kill.json", False),
        (f"{TRIALS}/postgres_to_duckdb__replace__batch.empty.json", False),
        ("notices/sent.jsonl", True),
        ("notices/.lock", True),
        ("notices/other.jsonl", False),
        ("notices/deep/sent.jsonl", False),
        (".quiet.gate", True),
        (".quiet.room", True),
        ("releases/.quiet.room", False),
        ("notes.txt", False),
    ],
)
def test_what_is_ours_is_no_stranger(tmp_path: Path, path: str, ours: bool) -> None:
    """Another engine's trials are told apart by its name and a colon."""
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    assert (list(strange(tmp_path)) == []) is ours
