"""A toy package in versions that are really installed: around the reference engine, once with a defect."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import DriverSpec
from tests.engines.test_environment import _wheel
from tests.upgrades.serving import Served

DRIVER = """\
# /// script
# requires-python = ">=3.11"
# dependencies = ["toy==1.2.3"]
# ///
import json, os, subprocess, sys, toy

defect = {{"CERTIFY_PLANTED_DEFECT": toy.DEFECT}} if toy.DEFECT else {{}}
environment = {{**os.environ, **defect, "PYTHONPATH": {root!r}}}
environment.pop("VIRTUAL_ENV", None)
engine = subprocess.Popen(
    [{python!r}, "-m", "certification_pipeline.reference"],
    stdin=sys.stdin.buffer, stdout=subprocess.PIPE, env=environment,
)
for line in engine.stdout:
    said = json.loads(line)
    if said.get("type") == "described":
        said |= {{"version": toy.VERSION, "engine": os.environ["CERTIFY_ENGINE_ID"]}}
        said.pop("artifact_digest", None), said.pop("details", None)
        line = json.dumps(said).encode() + b"\\n"
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.exit(engine.wait())
"""


def publish(index: Served, folder: Path, **versions: str) -> str:
    """Serve these versions: ``v1_3_0="ignore_deletes"`` is 1.3.0 with that defect. The first's digest."""
    files: list[dict[str, object]] = []
    for name, defect in versions.items():
        version = name.removeprefix("v").replace("_", ".")
        wheel = _wheel(folder, "toy", version, f"VERSION, DEFECT = {version!r}, {defect!r}\n")
        data = wheel.read_bytes()
        index.raw(wheel.name, data, "application/octet-stream")
        hashes = {"sha256": hashlib.sha256(data).hexdigest()}
        files.append({"filename": wheel.name, "url": f"{index.url}/files/{wheel.name}", "hashes": hashes})
    index.json("toy", *files)
    return str(files[0]["hashes"]["sha256"])  # type: ignore[index]


def with_toy(catalog: Catalog, folder: Path, digest: str = "0" * 64) -> Catalog:
    """That catalogue and one engine more, which a lock file pins to 1.2.3."""
    (folder / "driver.lock").write_text(f"toy==1.2.3 --hash=sha256:{digest}\n")
    root = str(Path(__file__).resolve().parents[2])
    (folder / "driver.py").write_text(DRIVER.format(root=root, python=sys.executable))
    driver = DriverSpec(script="driver.py", lock="driver.lock", home=folder)
    toy = catalog.engines["reference"].model_copy(update={"id": "toy", "title": "Toy", "driver": driver})
    embedded = catalog.profiles["embedded"].model_copy(update={"engines": ("reference", "toy")})
    return catalog.model_copy(
        update={"engines": {**catalog.engines, "toy": toy}, "profiles": {"embedded": embedded}}
    )
