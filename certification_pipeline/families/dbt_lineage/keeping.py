"""dbt's own files beside the artifact: masked, written, and named by digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.dbt_lineage import DBT_EVENTS, DBT_FOLDER, DbtLineage, DbtTarget
from certification_pipeline.evidence.files import resolve_inside, write_atomically
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.redaction import Redactor


def write(directory: SubjectDir, made: DbtLineage, content: Mapping[str, bytes], events: bytes) -> DbtLineage:
    """dbt's files and the events first, the artifact that names them last; what it does not name goes."""
    for path, data in content.items():
        write_atomically(resolve_inside(directory.path, path), data)
    for stale in _there(directory):
        if stale not in content:
            (directory.path / stale).unlink(missing_ok=True)
    if made.events is not None:
        write_atomically(resolve_inside(directory.path, DBT_EVENTS), events)
    else:
        (directory.path / DBT_EVENTS).unlink(missing_ok=True)
    return directory.write(made, markdown(made))


def _there(directory: SubjectDir) -> list[str]:
    root = resolve_inside(directory.path, f"{DBT_FOLDER}/x").parent
    return [path.relative_to(directory.path).as_posix() for path in sorted(root.rglob("*.json"))]


def kept(keep: Path, redactor: Redactor) -> dict[str, bytes]:
    """What dbt wrote, by the path it will have beside the artifact; secrets masked."""
    return {
        f"{DBT_FOLDER}/{path.relative_to(keep).as_posix()}": masked(path.read_bytes(), redactor)
        for path in sorted(keep.rglob("*.json"))
    }


def masked(data: bytes, redactor: Redactor) -> bytes:
    """By field, not by text: a column may be called `token`. As dbt wrote it, where it can be."""
    try:
        value = json.loads(data)
    except ValueError:
        return redactor.redact_text(data.decode("utf-8", "replace")).encode()
    masked = redactor.redact(value)
    return data if masked == value else json.dumps(masked).encode()


def with_digests(target: DbtTarget, content: Mapping[str, bytes]) -> DbtTarget:
    """Digests of what is written, which is what dbt wrote with secrets masked."""
    files = tuple(
        file.model_copy(update={"sha256": sha256(content[file.path]) if file.path in content else None})
        for file in target.files
    )
    return target.model_copy(update={"files": files})
