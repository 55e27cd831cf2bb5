"""What each HTTP fault does to a client, as a client sees it; its witness; and that healing heals."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.fault import Arena, NothingToDisturb
from certification_pipeline.harness.faults.http import (
    PATIENCE,
    BodyCut,
    BodySilent,
    BodySlow,
    HttpFault,
    ListShifted,
    PageShort,
    PagesLoop,
    PoisonPage,
    Refused,
    TokenExpired,
)
from certification_pipeline.harness.services.api import ApiInstance, ApiProvider
from certification_pipeline.harness.services.vendor_api import VendorApi
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.tables import build_workload
from certification_pipeline.redaction import Redactor

PLACE = ("ns", "t")
PER_PAGE = 20
TOO_MANY, BROKEN = HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR


class Client:
    """Asks for pages, in whichever way; believes nothing, repairs nothing."""

    def __init__(self, api: VendorApi) -> None:
        self.api = api
        self.pool = urllib3.PoolManager(retries=False, timeout=2.0)
        self.headers: dict[str, str] = urllib3.make_headers(basic_auth=f"certify:{api.password}")

    def log_in(self) -> int:
        form = {
            "grant_type": "client_credentials",
            "client_id": "certify",
            "client_secret": self.api.password,
        }
        url = f"{self.api.url}/oauth/ns/token"
        given = self.pool.request("POST", url, fields=form, encode_multipart=False).json()
        self.headers = {"Authorization": f"Bearer {given['access_token']}"}
        return int(given["expires_in"])

    def ask(self, query: str = "") -> urllib3.BaseHTTPResponse:
        url = f"{self.api.url}/v1/ns/t?per_page={PER_PAGE}&{query}"
        return self.pool.request("GET", url, headers=self.headers)

    def page(self, query: str = "") -> dict[str, Any]:
        document: dict[str, Any] = self.ask(query).json()
        return document

    def by_cursor(self, pages: int = 60) -> list[int]:
        found, query = [], ""
        for _ in range(pages):
            page = self.page(query)
            found += [row["id"] for row in page["data"]]
            if page["next_cursor"] is None:
                break
            query = f"cursor={quote(page['next_cursor'])}"
        return found

    def by_number(self) -> list[int]:
        found, number, pages = [], 1, 1
        while number <= pages:
            page = self.page(f"page={number}")
            found += [row["id"] for row in page["data"]]
            number, pages = number + 1, page["pages"]
        return found


@pytest.fixture
def instance() -> Iterator[ApiInstance]:
    served = ApiProvider(redactor=Redactor()).start("faults")
    open_source("api", served.api.dsn, *PLACE).seed(build_workload("narrow", 100, 3))
    yield served
    served.stop()


@pytest.fixture
def client(instance: ApiInstance) -> Client:
    return Client(instance.api)


@pytest.fixture
def under(instance: ApiInstance, tmp_path: Path) -> Callable[[HttpFault], Any]:
    def nobody() -> Any:
        raise LookupError

    @contextmanager
    def disrupted(fault: HttpFault) -> Iterator[None]:
        services = {Side.SOURCE: instance}
        fault.arm(Arena(session=nobody, links={}, services=services, state_dir=tmp_path, sink_files=None))
        try:
            yield
        finally:
            fault.heal()
            fault.heal()

    return disrupted


FAULTS: list[Callable[[], HttpFault]] = [
    lambda: Refused(PLACE, TOO_MANY, ("seconds",)),
    lambda: Refused(PLACE, BROKEN),
    lambda: BodyCut(PLACE, reset=True),
    lambda: BodyCut(PLACE, reset=False),
    lambda: BodySlow(PLACE, 0.1),
    lambda: BodySilent(PLACE),
    lambda: PoisonPage(PLACE, "not_json", "amount"),
    lambda: TokenExpired(PLACE, announced=True),
    lambda: TokenExpired(PLACE, announced=False),
    lambda: ListShifted(PLACE, "deleted"),
    lambda: PageShort(PLACE, 7),
    lambda: PagesLoop(PLACE, "itself"),
]


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make().name + str(len(make().plan())))
def test_no_witness_where_the_page_was_never_asked_for(
    under: Any, client: Client, make: Callable[[], HttpFault]
) -> None:
    client.log_in()
    fault = make()
    with under(fault):
        assert len(client.page()["data"]) == PER_PAGE
    assert fault.witness() is None
    assert json.dumps(fault.plan())
    everything = client.by_cursor()
    assert everything == client.by_number()
    assert len(set(everything)) == 100, "healed"


def test_a_refusal_asks_for_a_wait_in_both_spellings(under: Any, client: Client) -> None:
    with under(fault := Refused(PLACE, TOO_MANY, ("seconds", "date", ""))):
        first, before, second, third = (
            client.ask("page=2"),
            time.time(),
            client.ask("page=2"),
            client.ask("page=2"),
        )
        assert client.ask("page=2").status == 200
    assert [one.status for one in (first, second, third)] == [429] * 3
    assert first.headers["Retry-After"] == "1"
    date = parsedate_to_datetime(second.headers["Retry-After"])
    assert 0.9 < (date - datetime.fromtimestamp(before, UTC)).total_seconds() <= 2.1
    assert "Retry-After" not in third.headers
    assert fault.witness() == {"answers": 3}
    *_, one, two, three, four = client.api.log("ns")
    assert [seen.fault for seen in (one, two, three, four)] == ["http.refused"] * 3 + [None]
    assert one.asked_seconds == 1.0
    assert two.asked_seconds is not None
    assert 0.9 < two.asked_seconds <= 2.0
    assert one.at <= one.answered <= two.at


def test_what_lasts_relents_for_who_never_gives_up(under: Any, client: Client) -> None:
    with under(fault := Refused(PLACE, BROKEN)):
        assert [client.ask("page=2").status for _ in range(PATIENCE + 1)] == [500] * PATIENCE + [200]
    assert fault.witness() == {"answers": PATIENCE}


def test_a_body_breaks_off_once(under: Any, client: Client) -> None:
    for reset in (True, False):
        with under(fault := BodyCut(PLACE, reset=reset)):
            with pytest.raises(urllib3.exceptions.HTTPError) as error:
                client.ask("page=2")
            assert ("reset" in str(error.value).lower()) is reset
            assert client.ask("page=2").status == 200
        assert fault.witness() == {"answers": 1}


def test_a_slow_body_comes_whole(under: Any, client: Client) -> None:
    with under(fault := BodySlow(PLACE, 0.2)):
        assert len(client.page("page=2")["data"]) == PER_PAGE
    assert fault.witness() == {"answers": 1}


def test_a_silent_body_ends_when_the_client_goes_or_all_is_over(under: Any, client: Client) -> None:
    host, port = client.api.address.split(":")
    lines = [f"GET /v1/ns/t?per_page={PER_PAGE}&page=2 HTTP/1.1", f"Host: {client.api.address}"]
    lines += [f"authorization: {client.headers['authorization']}", "", ""]
    fault = BodySilent(PLACE)
    with under(fault), socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall("\r\n".join(lines).encode())
        assert raw.recv(1)
        released = threading.Timer(0.1, fault.heal)
        released.start()
        received = b"".join(iter(lambda: raw.recv(1 << 16), b""))
        released.join()
    assert b"200 OK" in received
    assert fault.witness() == {"answers": 1}


def test_poison_pages_are_poison_each_time(under: Any, client: Client) -> None:
    with under(fault := PoisonPage(PLACE, "not_json", "amount")):
        for _ in range(2):
            with pytest.raises(json.JSONDecodeError):
                client.page("page=2")
    assert fault.witness() == {"answers": 2}
    with under(PoisonPage(PLACE, "wrong_shape", "amount")):
        assert client.page("page=2")["data"] == {"error": "temporarily unavailable"}
    with under(PoisonPage(PLACE, "bad_record", "amount")):
        bad = [row["amount"] for row in client.page("page=2")["data"]]
    assert bad.count("n/a") == 1


def test_a_token_ends_when_it_said_it_would(under: Any, client: Client) -> None:
    assert client.log_in() == 3600
    with under(fault := TokenExpired(PLACE, announced=True)):
        assert client.log_in() == 1
        assert client.ask().status == 200
        assert client.ask("page=2").status == 200
        refused = client.ask("page=3")
        assert (refused.status, "invalid_token" in refused.headers["WWW-Authenticate"]) == (401, True)
        assert client.log_in() == 3600
        assert client.ask("page=3").status == 200
    assert fault.witness() == {"answers": 1}


def test_a_token_is_revoked_and_nobody_elses(under: Any, client: Client) -> None:
    client.log_in()
    other = Client(client.api)
    open_source("api", client.api.dsn, "elsewhere", "t").seed(build_workload("narrow", 100, 3))
    with under(fault := TokenExpired(PLACE, announced=False)):
        assert client.ask("page=2").status == 200
        assert client.ask("page=2").status == 401
        assert other.ask("page=2").status == 200, "the password is good"
    assert fault.witness() == {"answers": 1}
    client.log_in()
    url = f"{client.api.url}/v1/elsewhere/t"
    assert client.pool.request("GET", url, headers=client.headers).status == 401, "a tenant's own"


def test_who_has_no_token_cannot_lose_it(under: Any, client: Client) -> None:
    assert client.ask().status == 200
    with pytest.raises(NothingToDisturb), under(TokenExpired(PLACE, announced=False)):
        pass


@pytest.mark.parametrize(("kind", "doubled", "lost"), [("deleted", 3, 3), ("inserted", 3, 3)])
def test_a_list_moves_under_who_counts_and_not_under_a_cursor(
    under: Any, client: Client, kind: Any, doubled: int, lost: int
) -> None:
    everything = client.by_number()
    with under(fault := ListShifted(PLACE, kind)):
        counted = client.by_number()
    assert fault.witness() == {"answers": 1}
    assert len(counted) - len(set(counted)) == doubled
    assert len(set(everything) - set(counted)) == lost
    with under(ListShifted(PLACE, kind)):
        assert client.by_cursor() == everything


@pytest.mark.parametrize("rows", [0, 7])
def test_a_short_page_has_a_next_one_in_every_way(under: Any, client: Client, rows: int) -> None:
    everything = client.by_number()
    with under(fault := PageShort(PLACE, rows)):
        page = client.page("page=2")
        assert (len(page["data"]), page["pages"]) == (rows, 6)
        assert client.by_number() == client.by_cursor() == everything
    assert fault.witness() == {"answers": 3}


@pytest.mark.parametrize("to", ["itself", "earlier"])
def test_pages_lead_back_until_they_relent(under: Any, client: Client, to: Any) -> None:
    everything = client.by_number()
    with under(fault := PagesLoop(PLACE, to)):
        led = client.by_cursor(pages=200)
        assert client.by_number() == everything, "who counts is not led"
    assert fault.witness() == {"answers": PATIENCE}
    assert len(led) > len(everything)
    assert set(led) == set(everything)
