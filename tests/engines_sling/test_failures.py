"""From sling's last words, as it printed them, to categories; and no password in a message."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from tests.engines.scripts import module

failures = module("sling", "failures")

CONNECT = "~ could not connect to database(try adding `sslmode=require` or `sslmode=disable`)"


@pytest.mark.parametrize(
    ("words", "category", "retryable"),
    [
        ([CONNECT, 'pq: password authentication failed for user "u"'], "authentication", False),
        ([CONNECT, "dial tcp 127.0.0.1:1: connect: connection refused"], "connectivity", True),
        ([CONNECT, 'pq: database "gone" does not exist'], "not_found", False),
        (['did not find any columns for "s"."t". Perhaps it does not exists, or …'], "not_found", False),
        (['pq: invalid byte sequence for encoding "UTF8": 0xcb 0xef'], "data", False),
        (["SQL Error", 'pq: relation "s.gone" does not exist'], "not_found", False),
        (['pq: column "gone" does not exist'], "schema", False),
        (["pq: value out of range for type integer"], "data", False),
        (['invalid table name: "s"."it"'], "unsupported", False),
        (["something nobody has seen"], "internal", False),
        ([], "internal", False),
    ],
)
def test_words_become_categories(words: list[str], category: str, retryable: bool) -> None:
    named = failures.classify(["reading from source database", "fatal:", "--- x.go:1 main ---", *words], 1)
    assert (FailureCategory(named.category), named.retryable) == (FailureCategory(category), retryable)
    assert "x.go" not in named.message
    assert named.message


def test_without_a_fatal_line_the_last_words_count() -> None:
    named = failures.classify(["a", "streaming data", "connection reset by peer"], -9)
    assert named.category == "connectivity"


def test_colours_and_what_every_run_says_are_no_news() -> None:
    assert failures.readable("\x1b[36mSling CLI | https://slingdata.io\x1b[0m") == ""
    assert failures.readable("\x1b[31mfatal:\x1b[0m") == "fatal:"


def test_a_password_is_cut_out_in_both_its_spellings() -> None:
    dsn = "postgresql://u:ge%3Ahe@h/d"
    named = failures.classify(["fatal:", "cannot use postgresql://u:ge%3Ahe@h/d or ge:he"], 1, dsn)
    assert "he@" not in named.message.replace("***@", "")
    assert "ge:he" not in named.message
