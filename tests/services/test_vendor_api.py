"""The vendor's API: pages in three ways, a filter, a login, an identity; and what JSON makes of rows."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pytest

from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.harness.services.api import ApiInstance, ApiProvider
from certification_pipeline.harness.services.json_rows import json_rows
from certification_pipeline.harness.services.provider import ServiceError
from certification_pipeline.harness.services.vendor_api import VendorApi
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.spec import Column, LogicalType, TableSpec
from certification_pipeline.harness.workload.tables import build_workload
from certification_pipeline.redaction import Redactor

ROWS = 95


@pytest.fixture
def api() -> Iterator[VendorApi]:
    served = VendorApi()
    source = open_source("api", served.dsn, "ns", "a b/c")
    source.seed(build_workload("null_cursor", ROWS, 3))
    yield served
    served.stop()


def ask(api: VendorApi, url: str, password: str = "") -> tuple[dict[str, Any], str]:
    login = base64.b64encode(f"certify:{password or api.password}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer), answer.headers.get("Link") or ""


def first(api: VendorApi, **query: object) -> str:
    return f"{api.url}/v1/ns/{quote('a b/c', safe='')}?{urlencode(query)}"


def refused(api: VendorApi, url: str, password: str = "") -> int:
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(api, url, password)
    assert json.load(error.value)["error"]
    return error.value.code


def by_link(api: VendorApi, **query: object) -> list[int]:
    page, link = ask(api, first(api, per_page=20, **query))
    ids = [row["id"] for row in page["data"]]
    while link:
        page, link = ask(api, link[1:].partition(">")[0])
        ids += [row["id"] for row in page["data"]]
    return ids


def test_three_ways_through_the_pages_give_every_row_once(api: VendorApi) -> None:
    collection = api.get("ns", "a b/c")
    assert collection
    expected = collection.rows.column("id").to_pylist()
    assert len(set(expected)) == ROWS
    assert by_link(api) == expected
    numbered = [ask(api, first(api, per_page=20, page=n))[0] for n in range(1, 6)]
    assert [row["id"] for page in numbered for row in page["data"]] == expected
    assert {(page["total"], page["pages"]) for page in numbered} == {(ROWS, 5)}
    assert ask(api, first(api, per_page=20, page=6))[0]["data"] == []
    page, _ = ask(api, first(api, per_page=20))
    ids = [row["id"] for row in page["data"]]
    while page["next_cursor"]:
        page, _ = ask(api, first(api, per_page=20, cursor=page["next_cursor"]))
        ids += [row["id"] for row in page["data"]]
    assert ids == expected


def test_updated_since_takes_the_moment_itself_and_no_row_without_one(api: VendorApi) -> None:
    collection = api.get("ns", "a b/c")
    assert collection
    moments = [row for row in collection.rows.select(["id", "updated_at"]).to_pylist() if row["updated_at"]]
    assert len(moments) < ROWS
    middle = sorted(row["updated_at"] for row in moments)[len(moments) // 2]
    expected = [row["id"] for row in moments if row["updated_at"] >= middle]
    since = middle.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert by_link(api, updated_since=since) == expected
    assert by_link(api, updated_since="0001-01-01T00:00:00.000000Z") == [row["id"] for row in moments]


def test_who_asks_for_nonsense_is_told(api: VendorApi) -> None:
    assert refused(api, first(api), "wrong") == 401
    assert refused(api, f"{api.url}/v1/ns/other") == 404
    assert refused(api, f"{api.url}/v2") == 404
    for query in (
        {"per_page": 0},
        {"per_page": 10_001},
        {"page": "x"},
        {"cursor": "b2Zmc2V0OmE"},
        {"cursor": "%"},
        {"updated_since": "noon"},
    ):
        assert refused(api, first(api, **query)) == 400


def test_a_round_that_does_not_fit_changes_nothing(api: VendorApi) -> None:
    workload = build_workload("narrow", 100, 1)
    source = open_source("api", api.dsn, "ns", "t")
    source.seed(workload)
    source.apply(workload.change(1))
    before = api.get("ns", "t")
    with pytest.raises(Exception, match="rows instead of"):
        source.apply(workload.change(1))
    assert api.get("ns", "t") is before
    for again in (lambda: source.seed(workload), lambda: source.create(workload.spec)):
        with pytest.raises(Exception, match="already"):
            again()
    source.drop()
    with pytest.raises(Exception, match="is not there"):
        source.count()


def test_values_that_json_can_carry_and_those_it_cannot() -> None:
    types = {
        "f": LogicalType.FLOAT64,
        "d": LogicalType.DECIMAL,
        "b": LogicalType.BYTES,
        "j": LogicalType.JSON,
        "t": LogicalType.TIMESTAMPTZ,
        "l": LogicalType.TIMESTAMP,
        "a": LogicalType.TEXT_ARRAY,
    }
    columns = tuple(Column(name, kind) for name, kind in types.items())
    spec = TableSpec("t", (Column("id", LogicalType.INT64), *columns), cursor=None, partition=None)
    rows = [
        (1, -0.0, "1.10", b"\x00\xff", '{"n": 0.10}', 0, -1, ["x", None]),
        (2, float("nan"), None, None, None, None, None, None),
        (3, float("inf"), "0", b"", "null", 1, 1, []),
    ]
    plain = zip(*rows, strict=True)
    arrays = [_array(values, spec.arrow_schema().field(i).type) for i, values in enumerate(plain)]
    one, two, three = json_rows(spec, pa.Table.from_arrays(arrays, schema=spec.arrow_schema()))
    assert one == (
        '{"id": 1, "f": -0.0, "d": "1.1000000000", "b": "AP8=", "j": {"n": 0.10}, '
        '"t": "1970-01-01T00:00:00.000000Z", "l": "1969-12-31T23:59:59.999999", "a": ["x", null]}'
    )
    assert set(json.loads(two).values()) == {2, None}
    assert json.loads(three)["f"] is None


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    return pa.array(values).cast(kind)


def test_the_instance_is_the_one_that_was_started() -> None:
    redactor = Redactor()
    one, two = ApiProvider(redactor=redactor).start("a"), ApiProvider(redactor=redactor).start("b")
    assert one.source().dsn != two.source().dsn
    assert one.fidelity is Fidelity.EMULATOR
    assert redactor.redact(one.source().dsn).count("***") == 1
    assert isinstance(one, ApiInstance)
    assert one.alive()
    served = VendorApi.at(one.source().dsn)
    before, served.answer = served.answer, VendorApi.at(two.source().dsn).answer  # type: ignore[method-assign]
    assert not one.alive(), "another server answers in its place"
    served.answer = before  # type: ignore[method-assign]
    assert one.alive()
    with pytest.raises(ServiceError):
        one.sink()
    one.stop()
    one.stop()
    assert not one.alive()
    assert two.alive()
    two.stop()
