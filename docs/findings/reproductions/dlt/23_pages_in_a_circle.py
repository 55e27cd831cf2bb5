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
"""A vendor's page that leads to itself is read for ever: `rest_api` does not notice a circle."""

import http.server
import json
import os
import sys
import tempfile
import threading
from urllib.parse import parse_qs, urlsplit

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
from dlt.sources.rest_api import rest_api_resources

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
PATIENCE = 40  # requests, after which the vendor relents


def rows(page: int) -> list[dict]:
    return [{"id": 2 * page - 1}, {"id": 2 * page}]


def spoil(page: int, answer: dict) -> dict:
    return answer | {"next_cursor": "2"} if page == 2 and Vendor.asked < PATIENCE else answer


class Vendor(http.server.BaseHTTPRequestHandler):
    """Three pages of two rows each, with a cursor to the next."""

    asked = 0

    def do_GET(self) -> None:
        Vendor.asked += 1
        page = int(parse_qs(urlsplit(self.path).query).get("cursor", ["1"])[0])
        answer = {"data": rows(page), "next_cursor": str(page + 1) if page < 3 else None}
        body = json.dumps(spoil(page, answer)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


vendor = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
threading.Thread(target=vendor.serve_forever, daemon=True).start()

resources = rest_api_resources(
    {
        "client": {"base_url": f"http://127.0.0.1:{vendor.server_port}/"},
        "resources": [
            {
                "name": "f",
                "primary_key": "id",
                "write_disposition": "replace",
                "endpoint": {
                    "path": "f",
                    "data_selector": "data",
                    "paginator": {"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"},
                },
            }
        ],
    }
)
dlt.pipeline(
    "f",
    destination=dlt.destinations.postgres(DATABASE),
    dataset_name="public",
    pipelines_dir=tempfile.mkdtemp(),
).run(resources)
with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT id FROM f")
    loaded = [row[0] for row in cursor]
print("expected: an error, as page 2 leads to page 2; or ids 1 to 6, once each")
print(
    f"seen: {Vendor.asked} requests until the vendor relented, {len(loaded)} rows, ids {sorted(set(loaded))}"
)
if Vendor.asked > PATIENCE and len(loaded) > len(set(loaded)):
    print("REPRODUCED: pages that lead in a circle are followed without end, and loaded each time")
    sys.exit(1)
print("NOT REPRODUCED")
