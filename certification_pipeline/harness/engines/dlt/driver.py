# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "adbc-driver-postgresql>=1.6",
#     "deltalake>=1.0",
#     "dlt==1.31.0",
#     "duckdb>=1.4",
#     "pandas>=2.2",
#     "psycopg2-binary>=2.9.10",
#     "pyarrow>=20",
#     "pyiceberg>=0.10",
#     "pyiceberg-core>=0.6",
#     # dlt 1.31 does not recognise DOUBLE PRECISION columns reflected by SQLAlchemy 2.1: see README.md.
#     "sqlalchemy>=2.0.40,<2.1",
# ]
# ///
"""dlt behind the engine protocol: a warm parent that forks one child a load.

Runs in an environment of its own and imports nothing of certification_pipeline but the kit, which speaks the
protocol and forks. ``loading.py`` knows dlt, ``failures.py`` knows how to name what went wrong.

The parent imports dlt once (about a second) and starts no thread: a load may be killed at any moment without
harm to the next one. Whatever dlt prints goes to stderr.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import os

# Settings of dlt's own that must stand before its first import. `setdefault`: whoever debugs may override.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")
# Neither Arrow's allocator nor numpy may start threads at import: the parent forks.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# No configuration file of the user or of the working directory may change what is certified.
os.environ["DLT_PROJECT_DIR"] = os.environ["DLT_DATA_DIR"] = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120

# It must not be imported after `loading`: it sets up what dlt reads when it is imported.
import configuration  # type: ignore[import-not-found]  # noqa: F401
import loading  # type: ignore[import-not-found]
from certify_driver import serve  # type: ignore[import-not-found]

if __name__ == "__main__":
    serve(loading.describe, loading.load, fork=True, warm=loading.warm)
