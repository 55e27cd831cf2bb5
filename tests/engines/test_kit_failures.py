"""What PostgreSQL said, as drivers name it: the longest code decides, and no password survives."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory
from tests.engines.scripts import module

kit = module("kit", "certify_failures")


@pytest.mark.parametrize(
    ("state", "category", "retryable"),
    [
        ("42P01", FailureCategory.NOT_FOUND, False),
        ("42501", FailureCategory.AUTHENTICATION, False),
        ("42804", FailureCategory.SCHEMA, False),
        ("57014", FailureCategory.RESOURCE, True),
        ("57P01", FailureCategory.CONNECTIVITY, True),
        ("55P03", FailureCategory.CONFLICT, True),
        ("40P01", FailureCategory.CONFLICT, True),
        ("23502", FailureCategory.DATA, False),
        ("53100", FailureCategory.RESOURCE, True),
        ("28P01", FailureCategory.AUTHENTICATION, False),
    ],
)
def test_a_code_has_its_category(state: str, category: FailureCategory, retryable: bool) -> None:
    assert kit.by_sqlstate(state) == (category.value, retryable)


@pytest.mark.parametrize("state", [None, "", "P0001", 42501])
def test_what_is_no_code_or_an_unknown_one_has_none(state: object) -> None:
    assert kit.by_sqlstate(state) is None


def test_no_rule_is_hidden_by_a_shorter_one_and_each_is_the_protocols() -> None:
    for prefix, category, retryable in kit.SQLSTATES:
        assert kit.by_sqlstate(prefix) == (category, retryable)
        assert category in {each.value for each in FailureCategory}


def test_an_engines_own_rule_goes_first() -> None:
    assert kit.by_sqlstate("23502", ("23502", "schema", False)) == ("schema", False)
    assert kit.by_sqlstate("23505", ("23502", "schema", False)) == ("data", False)


def test_the_first_piece_that_is_there_decides_whatever_its_case() -> None:
    rules = (("refused", "connectivity", True), ("user", "authentication", False))
    assert kit.by_text("USER was Refused", rules) == ("connectivity", True)
    assert kit.by_text("nothing known", rules) is None


PLAIN = "could not connect with postgresql://user:***@host/db or postgresql://host/db?user=u&password=*** or"


@given(
    # Words of the text itself, as `post`, would be masked there, too.
    password=st.text(min_size=4, max_size=20).filter(lambda text: text.strip() == text and text not in PLAIN)
)
def test_a_password_never_survives_however_it_is_spelt(password: str) -> None:
    spelt = quote(password, safe="")
    in_the_user, in_the_query = (
        f"postgresql://user:{spelt}@host/db",
        f"postgresql://host/db?user=u&password={spelt}",
    )
    text = f"could not connect with {in_the_user} or {in_the_query} or {password}"
    for dsn in (in_the_user, in_the_query):
        assert kit.redact(text, dsn) == f"{PLAIN} ***"


@pytest.mark.parametrize("spelt", ["ca%2fna%2fry", "ca+na+ry", "ca%2Fna%2Fry"])
def test_a_password_in_the_query_is_cut_out_as_it_stands_there(spelt: str) -> None:
    """In small letters, or with a plus for a blank: no one way to write it gives it back."""
    dsn = f"postgresql://host/db?user=u&password={spelt}&sslmode=disable"
    assert kit.redact(f"cannot use {dsn}", dsn) == f"cannot use {dsn.replace(spelt, '***')}"


def test_a_dsn_that_is_no_url_goes_as_a_whole_when_it_holds_a_password_and_a_path_stays() -> None:
    dsn = "host=h password=canary"
    assert kit.redact(f"no server at {dsn}", dsn) == "no server at ***"
    assert kit.redact("no file /data/kept.duckdb", "/data/kept.duckdb") == "no file /data/kept.duckdb"
