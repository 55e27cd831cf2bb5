# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "adbc-driver-postgresql==1.13.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A page whose list is an object is taken for one record, and an incremental load skips it without a word.

The vendor's second page says `"data": {}`, once. The resource is incremental by `at`, with rows without a
cursor value left out, as documented. The next runs, by then of a well-behaved vendor, start after page 3.
"""

import http.server
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
from dlt.sources.rest_api import rest_api_resources

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)


def rows(page: int) -> list[dict]:
    return [{"id": number, "at": number, "amount": number} for number in (2 * page - 1, 2 * page)]


def spoil(page: int, answer: dict) -> dict:
    return answer | {"data": {}} if page == 2 and Vendor.spoilt else answer


class Vendor(http.server.BaseHTTPRequestHandler):
    """Three pages of two rows each, with a cursor to the next."""

    spoilt = ""

    def do_GET(self) -> None:
        page = int(parse_qs(urlsplit(self.path).query).get("cursor", ["1"])[0])
        answer = {
            "data": [row for row in rows(page) if row["at"] >= self.since()],
            "next_cursor": str(page + 1) if page < 3 else None,
        }
        body = json.dumps(spoil(page, answer)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def since(self) -> int:
        return int(parse_qs(urlsplit(self.path).query).get("since", ["0"])[0])

    def log_message(self, *_) -> None:
        pass


vendor = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
threading.Thread(target=vendor.serve_forever, daemon=True).start()


def load(folder: str, disposition: str = "merge") -> str:
    """How the run ended."""
    resources = rest_api_resources(
        {
            "client": {"base_url": f"http://127.0.0.1:{vendor.server_port}/"},
            "resources": [
                {
                    "name": "f",
                    "primary_key": "id",
                    "write_disposition": disposition,
                    "columns": {"id": {"data_type": "bigint"}, "amount": {"data_type": "bigint"}},
                    "endpoint": {
                        "path": "f",
                        "data_selector": "data",
                        "paginator": {
                            "type": "cursor",
                            "cursor_path": "next_cursor",
                            "cursor_param": "cursor",
                        },
                        "incremental": {
                            "cursor_path": "at",
                            "start_param": "since",
                            "initial_value": 0,
                            "on_cursor_value_missing": "exclude",
                        },
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE),
        dataset_name=Path(folder).name,
        pipelines_dir=folder,
    )
    try:
        pipeline.run(resources)
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    return "well"


folder = tempfile.mkdtemp(prefix="f")
Vendor.spoilt = "wrong shape"
ended = [load(folder)]
Vendor.spoilt = ""
ended += [load(folder), load(folder)]
with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
    cursor.execute(f'SELECT id FROM "{Path(folder).name}".f ORDER BY id')
    loaded = [row[0] for row in cursor]
print("expected: an error, as the list is none; or ids [1, 2, 3, 4, 5, 6] after a later run")
print(f"seen: the runs ended {ended}, ids {loaded}")
if ended == ["well"] * 3 and loaded == [1, 2, 5, 6]:
    print("REPRODUCED: a page that is no list is skipped, and its rows never come")
    sys.exit(1)
print("NOT REPRODUCED")
