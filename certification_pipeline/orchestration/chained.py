"""The evidence chain as a materialization: its newest entry, verified against the release's files."""

import dagster as dg
import pandas as pd

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.chain import ChainVerification, verify
from certification_pipeline.orchestration.names import CHAIN_CHECK
from certification_pipeline.orchestration.render import Metadata, table


def chained(store: EvidenceStore, directory: SubjectDir, key: dg.AssetKey) -> dg.MaterializeResult:
    """Every link, and every file of this one release: all of them are `certify chain verify`'s work."""
    where: Metadata = {
        "chain_directory": dg.MetadataValue.path(str(store.root / layout.CHAIN / directory.engine)),
        "release": dg.MetadataValue.text(directory.release_id),
    }
    try:
        found = verify(store, directory.engine, release_id=directory.release_id)
    except EvidenceError as error:
        return dg.MaterializeResult(asset_key=key, metadata=where, check_results=[_check(key, str(error))])
    rows = [{"was": p.kind.value, "file": p.path, "says": p.message} for p in found.problems]
    wrong: Metadata = {"1_problems": table(pd.DataFrame(rows))} if rows else {}
    return dg.MaterializeResult(
        asset_key=key,
        data_version=dg.DataVersion(found.head.chain_hash) if found.head else None,
        metadata={**_kept_elsewhere(found), **wrong, **where, **_figures(found)},
        check_results=[_check(key, str(found.problems[0]) if found.problems else "")],
    )


def _kept_elsewhere(found: ChainVerification) -> Metadata:
    """First, and named briefly: a longer name leaves a narrow window less room for the hash."""
    return {"0_keep_hash": dg.MetadataValue.text(found.head.chain_hash)} if found.head else {}


def _figures(found: ChainVerification) -> Metadata:
    return {
        "entries": dg.MetadataValue.int(len(found.entries)),
        "files_checked": dg.MetadataValue.int(found.files_checked),
        "problems": dg.MetadataValue.int(len(found.problems)),
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in found.notes) or "none"),
    }


def _check(key: dg.AssetKey, wrong: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHAIN_CHECK,
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        description=wrong or "every link and every file of this release is as it was chained",
    )
