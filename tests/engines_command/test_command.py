"""A command without code: psql behind a few lines of YAML keeps the whole protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Certify, certify

__all__ = ["certify"]

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

ENTRY = r"""
title: psql
description: COPY from psql to psql.
driver:
  script: driver.py
  folder: command
  config:
    env: {FROM: "{source_dsn}", TO: "{sink_dsn}", S: "{source_schema}", T: "{source_table}"}
    strategies:
      full_refresh: {argv: [bash, "{home}/copy.sh"]}
    result: {pattern: "^rows=(?P<loaded_rows>\\d+)$"}
    failure:
      - {pattern: "authentication failed", category: authentication}
      - {pattern: "Connection refused", category: connectivity, retryable: true}
      - {pattern: "does not exist", category: not_found}
routes:
  - source: postgres
    sink: postgres
    strategies:
      full_refresh: Full
"""
COPY = r"""
set -euo pipefail
q="psql -X -q -A -t -v ON_ERROR_STOP=1"
of="\"$S\".\"$T\""
columns=$($q -d "$FROM" -c "SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod),
  ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$of'::regclass
  AND attnum > 0 AND NOT attisdropped")
{ echo "BEGIN; SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS \"$S\";"
  echo "DROP TABLE IF EXISTS $of;"
  echo "CREATE TABLE $of ($columns); COPY $of FROM STDIN;"
  $q -d "$FROM" -c "COPY $of TO STDOUT"
  printf '\\.\nCOMMIT;\n'; } | $q -d "$TO" -f -
echo "rows=$($q -d "$TO" -c "SELECT count(*) FROM $of")"
"""


def test_a_command_is_an_engine(certify: Certify, tmp_path: Path) -> None:
    home = tmp_path / "engines" / "mine"
    home.mkdir(parents=True)
    (home / "engine.yaml").write_text(ENTRY)
    (home / "copy.sh").write_text(COPY)
    answer = certify("engine", "check", "mine", "--format", "json")
    checks = json.loads(answer.out)["checks"]
    assert [one for one in checks if one["outcome"] != "passed"] == []
    assert answer.code == 0
