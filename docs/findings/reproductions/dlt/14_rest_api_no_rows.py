# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A REST endpoint that has no rows yet gets no table, although its columns are declared."""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dlt
import sqlalchemy as sa
from dlt.sources.rest_api import rest_api_resources

database = sys.argv[1].replace("postgres://", "postgresql://", 1)
engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg2://", 1))
folder = tempfile.mkdtemp()


def execute(*statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


class Vendor(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"data": [], "next_cursor": None}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Vendor)
threading.Thread(target=server.serve_forever, daemon=True).start()
resources = rest_api_resources(
    {
        "client": {"base_url": f"http://127.0.0.1:{server.server_port}/"},
        "resources": [
            {
                "name": "orders",
                "endpoint": {
                    "path": "orders",
                    "data_selector": "data",
                    "paginator": {"type": "cursor", "cursor_path": "next_cursor"},
                },
                "columns": [{"name": "id", "data_type": "bigint"}],
                "primary_key": "id",
                "write_disposition": "replace",
            }
        ],
    }
)
pipeline = dlt.pipeline(
    "f", destination=dlt.destinations.postgres(database), dataset_name="sink", pipelines_dir=folder
)
pipeline.run(resources)
tables = sa.inspect(engine).get_table_names("sink") if sa.inspect(engine).has_schema("sink") else []
print("expected: an empty table orders")
print("seen:", sorted(tables))
if "orders" not in tables:
    print("REPRODUCED: the load succeeds and there is no table to read")
    sys.exit(1)
print("NOT REPRODUCED")
