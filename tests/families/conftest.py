from __future__ import annotations

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.plan import CertificationPlan
from tests.families.plans import shipped, shipped_plan


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return shipped()


@pytest.fixture(scope="session")
def planned() -> CertificationPlan:
    """The reference engine's on the embedded profile, as it is made without any wish."""
    return shipped_plan()
