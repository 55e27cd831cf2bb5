"""``evidence/calibration``: who certifies the certifier. About the bench, so there is one for all engines."""

import threading

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import WEEKLY_EVIDENCE
from certification_pipeline.orchestration.names import BENCH, CALIBRATION, OWNERS, PASSED
from certification_pipeline.orchestration.resources import CertificationResource


class CalibrationConfig(dg.Config):
    """How often the clean engine's cells are run, to count false alarms."""

    clean: int = 1


def calibration_asset(catalog: Catalog) -> dg.AssetsDefinition:
    """The asset with its one check: 100 % killed, no idle scenario, no false alarm."""

    @dg.asset(
        key=CALIBRATION,
        group_name=BENCH,
        owners=OWNERS,
        kinds={"python", "json"},
        freshness_policy=WEEKLY_EVIDENCE,
        check_specs=[
            dg.AssetCheckSpec(
                PASSED,
                asset=CALIBRATION,
                description="Passes when every planted defect is killed, every scenario kills one, and the "
                "clean engine is green. When red: read which defect survived.",
            )
        ],
        description=(
            "Every defect planted in the reference engine, each in the cells that must see it, beside the "
            "clean engine. Releases rest on the newest calibration of this very bench: materialize it after "
            "a change of scenarios, harness or reference engine."
        ),
    )
    def calibration(
        context: dg.AssetExecutionContext, config: CalibrationConfig, certification: CertificationResource
    ) -> dg.MaterializeResult:
        def told(trial: "late.Trial", total: int) -> None:
            context.log.info(f"{trial.defect or 'clean'} {trial.cell}: {trial.outcome} ({total} in all)")

        with told_plainly():
            settings = certification.settings()
            asked = late.Asked(settings.evidence_dir, settings.workers, clean=config.clean)
            made = late.calibrate(asked, catalog, late.log_to(context.log), threading.Event(), told)
            directory = late.kept_in(settings.evidence_dir, late.basis_of(catalog))
        return late.decided(
            directory,
            made,
            PASSED,
            {**late.shown(made), "to_read": late.page(late.markdown(made))},
            key=CALIBRATION,
        )

    return calibration
