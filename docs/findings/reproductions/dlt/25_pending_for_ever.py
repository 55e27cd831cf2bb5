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
"""What was extracted and cannot be normalized stays pending, and every run fails on it.

Once, a page says `"amount": "n/a"` in a column declared bigint (data types frozen), or `"data": {}` in place
of a list of records with a key. Then the vendor behaves. At last the package is aborted, as dlt's
documentation has the operator do.
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
from dlt.sources.rest_api import rest_api_resources

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)


def rows(page: int) -> list[dict]:
    return [{"id": number, "amount": number} for number in (2 * page - 1, 2 * page)]


def spoil(page: int, answer: dict) -> dict:
    if page != 2 or not Vendor.spoilt:
        return answer
    spoilt = {"bad record": [{"id": 3, "amount": "n/a"}, {"id": 4, "amount": 4}], "wrong shape": {}}
    return answer | {"data": spoilt[Vendor.spoilt]}


class Vendor(http.server.BaseHTTPRequestHandler):
    """Three pages of two rows each, with a cursor to the next."""

    spoilt = ""

    def do_GET(self) -> None:
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
        pipeline.run(resources, loader_file_format="parquet", schema_contract={"data_type": "freeze"})
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    return "well"


stuck = 0
for case in ("bad record", "wrong shape"):
    folder = tempfile.mkdtemp(prefix="f")
    Vendor.spoilt = ""
    assert load(folder, "replace") == "well"
    Vendor.spoilt = case
    print(f"{case}: expected an error, and after it a run that ends well")
    print(f"  the vendor is wrong: {load(folder, 'replace')}")
    Vendor.spoilt = ""
    again = [load(folder, "replace") for _ in range(3)]
    for ended in again:
        print(f"  the vendor is right: {ended}")
    stuck += "well" not in again
    dlt.attach("f", pipelines_dir=folder).abort_packages()
    print(f"  after abort_packages: {load(folder, 'replace')}")
if stuck == 2:
    print("REPRODUCED: one bad answer stops every later run until an operator aborts the package")
    sys.exit(1)
print("NOT REPRODUCED")
