"""A planted canary must not survive, whatever it is wrapped in; everything else must."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.redaction import MASK, Redactor

CANARY = "c4nary/S3cret:@%&'\"\\ü"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "spelling",
    [
        CANARY,
        quote(CANARY, safe=""),
        re.sub("%..", lambda match: match.group().lower(), quote(CANARY, safe="")),
        json.dumps(CANARY),
        json.dumps(CANARY, ensure_ascii=False),
        repr(CANARY),
        CANARY.replace("'", "''"),
        json.dumps(f"postgresql://u:{quote(CANARY, safe='')}@h/db"),
    ],
)
def test_a_registered_secret_is_masked_in_every_spelling(spelling: str) -> None:
    text = Redactor([CANARY]).redact_text(f"before {spelling} after")
    assert "c4nary" not in text.lower()
    assert "before" in text
    assert "after" in text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2@h:5432/db",
        "cannot reach redis://:hunter2@h",
        "mssql+pyodbc://u:hunter2@with@ats@h/db?driver=x",
        "host=h password=hunter2 dbname=d",
        "host=h password = 'hunter2 is \\' long' dbname=d",
        "Server=h;UID=u;PWD={hunter2;};Database=d",
        "PGPASSWORD=hunter2 psql",
        "https://h/path?user=u&password=hunter2&x=1",
        '{"user": "u", "password": "hunter2", "x": 1}',
        json.dumps({"log": json.dumps({"password": "hunter2"})}),
        "{'password': 'hunter2', 'host': 'h'}",
        "aws_secret_access_key: hunter2",
        "sasl.password=hunter2",
        "Authorization: Bearer hunter2hunter2",
        "Authorization: Basic dXNlcjpodW50ZXIy".replace("dXNlcjpodW50ZXIy", "hunter2hunter2"),
    ],
)
def test_whatever_stands_where_a_password_stands_is_masked_unregistered(text: str) -> None:
    assert "hunter2" not in Redactor().redact_text(text)
    assert MASK in Redactor().redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "password authentication failed for user u",
        "postgresql://u@h:5432/db?options=x",
        "https://example.org/a:b@c",
        "3 rows, key=17, token expired",
        "basic authentication is not supported here",
        'duplicate key value violates unique constraint "t_pkey"',
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor(["another-secret"]).redact_text(text) == text


def test_json_stays_json_when_a_field_is_masked() -> None:
    record = {
        "password": "x",
        "nested": [{"api_key": "y", "n": 1, "dsn": "postgresql://u:pw@h/d"}],
        "rows": 3,
    }
    redacted = json.loads(Redactor().redact_text(json.dumps(record)))
    assert redacted == {
        "password": MASK,
        "nested": [{"api_key": MASK, "n": 1, "dsn": f"postgresql://u:{MASK}@h/d"}],
        "rows": 3,
    }
    assert Redactor().redact(record) == redacted


def test_a_common_word_as_password_does_not_destroy_the_evidence() -> None:
    redactor = Redactor()
    assert not redactor.register("postgres")
    assert not redactor.register("a")
    text = "postgres: postgresql://postgres:postgres@localhost/postgres"
    assert redactor.redact_text(text) == f"postgres: postgresql://postgres:{MASK}@localhost/postgres"
    assert redactor.redact({"source": "postgres"}) == {"source": "postgres"}


def test_an_empty_secret_masks_nothing() -> None:
    assert Redactor([""]).redact_text("text") == "text"


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:s3cr%40et%2Fword@h/db",
        "host=h password='s3cr@et/word' dbname=d",
        "host=h dbname=d password=s3cr@et/word",
        "postgresql://h/db?user=u&password=s3cr%40et%2Fword",
    ],
)
def test_the_password_of_a_dsn_is_known_afterwards_wherever_it_turns_up(dsn: str) -> None:
    redactor = Redactor()
    redactor.register_dsn(dsn)
    assert redactor.redact_text("login refused: s3cr@et/word") == f"login refused: {MASK}"


def test_the_longer_of_two_secrets_wins() -> None:
    assert Redactor(["secret-one", "secret-one-and-more"]).redact_text("secret-one-and-more") == MASK


def test_numbers_keys_and_tuples() -> None:
    redactor = Redactor(["12345678", "canary-canary"])
    value = {"canary-canary": (12345678, "x canary-canary"), "n": 1234567, "yes": True, "password": 99}
    assert redactor.redact(value) == {MASK: (MASK, f"x {MASK}"), "n": 1234567, "yes": True, "password": MASK}


def test_neither_repr_nor_str_shows_a_secret() -> None:
    assert "canary-canary" not in f"{Redactor(['canary-canary'])!r} {Redactor(['canary-canary'])}"


@given(st.text(min_size=6), json_values)
def test_no_registered_secret_survives_in_any_json_value(secret: str, value: object) -> None:
    redactor = Redactor()
    if not redactor.register(secret) or secret in MASK * len(secret):
        return
    planted = {"log": f"<{secret}>", "list": [value, {f"k{secret}": secret}], "text": json.dumps(secret)}
    flat = _texts(redactor.redact(planted))
    assert not any(secret in text for text in flat)


@given(json_values)
def test_redaction_is_idempotent_and_keeps_the_shape(value: object) -> None:
    redactor = Redactor(["some-secret"])
    once = redactor.redact(value)
    assert redactor.redact(once) == once
    assert type(once) is type(value)


@pytest.mark.parametrize(
    "unit", ["a", "a.", "password", "password=", "password='", 'secret="\\', "://", "a://b:", "x:@"]
)
def test_a_hostile_line_does_not_cost_quadratic_time(unit: str) -> None:
    text = unit * (200_000 // len(unit)) + "://"
    assert Redactor(["some-secret"]).redact_text(text)  # were it quadratic, this would take hours


pieces = st.sampled_from(
    [
        "password",
        "=",
        ":",
        "'",
        '"',
        "\\",
        " ",
        "x",
        "{",
        "}",
        "://u",
        "@",
        "a",
        "/",
        ";",
        "token",
        "***",
        "bearer ",
    ]
)


@given(st.lists(pieces, max_size=14))
def test_redacting_twice_changes_nothing_more(parts: list[str]) -> None:
    redactor = Redactor()
    once = redactor.redact_text("".join(parts))
    twice = redactor.redact_text(once)
    assert redactor.redact_text(twice) == twice  # settles
    assert len(twice) <= len(once) + len(MASK)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [t for k, v in value.items() for t in (*_texts(k), *_texts(v))]
    if isinstance(value, list | tuple):
        return [t for item in value for t in _texts(item)]
    return [str(value)]
