"""The reference engine's pages of an API, against our own vendor: every way, and every way astray."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.faults.http import ListShifted, PagesLoop, PoisonPage
from certification_pipeline.harness.services.vendor_api import VendorApi
from certification_pipeline.harness.services.vendor_conduct import Answer, Disturbance
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.harness.workload.tables import build_workload
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.sources.api_pages import Pages
from certification_pipeline.reference.sources.http import Vendor
from certification_pipeline.reference.sources.json_values import row_of

PLACE = ("ns", "t")
FIRST = "/v1/ns/t?per_page=20"
WAYS = {"cursor": (True, True), "link": (False, True), "number": (False, False)}


@pytest.fixture
def api() -> Iterator[VendorApi]:
    served = VendorApi()
    open_source("api", served.dsn, *PLACE).seed(build_workload("narrow", 100, 3))
    yield served
    served.stop()


def read(api: VendorApi) -> list[int]:
    vendor = Vendor(api.dsn, "ns", lambda: None, None)
    try:
        return [record["id"] for page in Pages(vendor, FIRST, None) for record in page.records]
    finally:
        vendor.close()


def offering(api: VendorApi, way: str, disturbance: Disturbance | None = None) -> VendorApi:
    conduct = api.conduct(*PLACE)
    conduct.cursors, conduct.links = WAYS[way]
    conduct.disturbance = disturbance or Disturbance()
    return api


@pytest.mark.parametrize("way", WAYS)
def test_every_row_once_in_every_way(api: VendorApi, way: str) -> None:
    found = read(offering(api, way))
    collection = api.get(*PLACE)
    assert collection
    assert found == collection.rows.column("id").to_pylist()
    targets = [seen.target for seen in api.log("ns") if seen.method == "GET"]
    assert len(targets) == 5
    assert ("cursor=" in targets[1], "&page=2" in targets[1]) == (way == "cursor", way != "cursor")


@pytest.mark.parametrize("kind", ["deleted", "inserted"])
@pytest.mark.parametrize("way", WAYS)
def test_a_list_that_moves_keeps_its_place_or_is_refused(api: VendorApi, way: str, kind: Any) -> None:
    everything = read(offering(api, way))
    offering(api, way, ListShifted(PLACE, kind))
    if way == "cursor":
        assert read(api) == everything
        return
    with pytest.raises(LoadError) as error:
        read(api)
    assert (error.value.category, error.value.again) == (FailureCategory.CONFLICT, True)
    assert read(api) == everything, "read again"


@pytest.mark.parametrize("to", ["itself", "earlier"])
@pytest.mark.parametrize("way", ["cursor", "link"])
def test_a_circle_is_left(api: VendorApi, way: str, to: Any) -> None:
    with pytest.raises(LoadError, match="circle"):
        read(offering(api, way, PagesLoop(PLACE, to)))
    assert len(api.log("ns")) <= 5


@pytest.mark.parametrize("kind", ["not_json", "wrong_shape"])
def test_a_poison_page_is_data(api: VendorApi, kind: Any) -> None:
    with pytest.raises(LoadError) as error:
        read(offering(api, "cursor", PoisonPage(PLACE, kind, "amount")))
    assert error.value.category is FailureCategory.DATA


class Elsewhere(Disturbance):
    """The next page is on another host."""

    def spoil(self, answer: Answer) -> Answer:
        return replace(answer, headers={"Link": '<http://127.0.0.1:1/v1/ns/t?page=2>; rel="next"'})


class Later(Disturbance):
    """The vendor asks for a day's wait."""

    def spoil(self, answer: Answer) -> Answer:
        return replace(answer, status=type(answer.status)(429), headers={"Retry-After": "86400"})


def test_a_token_is_told_to_nobody_else(api: VendorApi) -> None:
    with pytest.raises(LoadError, match="another host"):
        read(offering(api, "link", Elsewhere()))


def test_a_wait_that_is_too_long_is_no_hang(api: VendorApi) -> None:
    with pytest.raises(LoadError, match="asks for") as error:
        read(offering(api, "cursor", Later()))
    assert (error.value.category, error.value.again) == (FailureCategory.CONNECTIVITY, False)


T = LogicalType


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (T.BOOL, True, "t"),
        (T.INT64, 2**53 + 1, "9007199254740993"),
        (T.DECIMAL, "1.10", "1.10"),
        (T.FLOAT64, -0.0, "-0.0"),
        (T.TEXT, "", ""),
        (T.DATE, "2024-02-29", "2024-02-29"),
        (T.TIMESTAMPTZ, "2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00.000001Z"),
        (T.BYTES, "AP8=", "\\x00ff"),
        (T.JSON, {"n": [1, None]}, '{"n": [1, null]}'),
        (T.INT_ARRAY, [1, None], "{1,NULL}"),
        (T.TEXT_ARRAY, ['a"b', "c\\d", "NULL"], '{"a\\"b","c\\\\d","NULL"}'),
        (T.UUID, None, None),
    ],
)
def test_values_are_written_as_postgresql_does(kind: T, value: Any, text: str | None) -> None:
    assert row_of({"c": value}, (Column("c", ColumnType(kind)),)) == (text,)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (T.BOOL, 1),
        (T.INT32, True),
        (T.INT32, "1"),
        (T.DECIMAL, 1.5),
        (T.DECIMAL, "n/a"),
        (T.DECIMAL, "NaN"),
        (T.FLOAT64, "1.0"),
        (T.TEXT, 1),
        (T.DATE, "soon"),
        (T.TIMESTAMP, 0),
        (T.BYTES, "!"),
        (T.UUID, "x"),
        (T.INT_ARRAY, "{1}"),
        (T.TEXT_ARRAY, [1]),
    ],
)
def test_a_value_of_another_type_is_data_and_is_not_told(kind: T, value: Any) -> None:
    with pytest.raises(LoadError) as error:
        row_of({"c": value}, (Column("c", ColumnType(kind)),))
    assert error.value.category is FailureCategory.DATA
    assert "'c'" in error.value.message
    assert json.dumps(value) not in error.value.message.replace("'c'", "")


@pytest.mark.parametrize("record", [None, [], "x", {}])
def test_a_record_that_is_none_is_data(record: Any) -> None:
    with pytest.raises(LoadError) as error:
        row_of(record, (Column("c", ColumnType(T.TEXT)),))
    assert error.value.category is FailureCategory.DATA
