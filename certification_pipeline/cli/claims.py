"""``certify claims``: what vendors' documents say, beside what evidence shows."""

from __future__ import annotations

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format


def claims(
    *,
    engine: options.Engines = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Set every claim of dpone's and Krishiv's documents beside the newest evidence of each engine.

    Without evidence of an engine, findings speak for it. Exits 1 when a claim is disproved, 3 when one could
    not be tested here.
    """
    from certification_pipeline.catalog.findings import load_findings  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415
    from certification_pipeline.catalog.stated import load_stated  # noqa: PLC0415
    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.stated import claims_outcome  # noqa: PLC0415
    from certification_pipeline.report.claims import (  # noqa: PLC0415
        claims_frame,
        judged,
        ledger_levels,
        newest,
        seen_in_view,
    )
    from certification_pipeline.report.loading import load_subject  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError, load_settings, matching_engines  # noqa: PLC0415

    catalog = load_catalog()
    vendors = load_stated(catalog)
    spoken_of = tuple(name for vendor in vendors for name in vendor.engines)
    asked = matching_engines(engine, spoken_of) if engine else ()
    if engine and not asked:
        remedy = f"choose from: {', '.join(spoken_of)}"
        raise SettingsError("--engine: no document's claims are kept for it", remedy)
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    seen = {}
    for name in asked or spoken_of:
        if release_id is not None:
            there = name in store.engines(release_id)
            view = load_subject(store.release(release_id, name), store=store) if there else None
        else:
            view = newest(store, name)
        if view is not None:
            seen[name] = seen_in_view(view, ledger_levels(store, view))
    findings = load_findings(catalog)
    found = [
        one
        for vendor in vendors
        if not asked or set(asked) & set(vendor.engines)
        for one in judged(vendor, seen, catalog, findings, [name for name in asked if name in vendor.engines])
    ]
    show(claims_frame(found, whole=form is Format.JSON), form, index=False)
    raise typer.Exit(exit_code(claims_outcome(found)))
