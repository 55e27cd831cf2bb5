"""Seed 000's certification checklist and test markers, as closed vocabularies."""

from __future__ import annotations

from enum import StrEnum


class ChecklistItem(StrEnum):
    """Seed 000's certification checklist, in its order; ``live_tests`` are what its levels ask for."""

    DOCUMENTATION_PAGE = "documentation_page"
    EXAMPLE_MANIFEST = "example_manifest"
    CREDENTIAL_MODEL = "credential_model"
    OFFLINE_TESTS = "offline_tests"
    OPTIONAL_DEPENDENCY_SMOKE = "optional_dependency_smoke"
    INTEGRATION_PROFILE = "integration_profile"
    LIVE_INSTRUCTIONS = "live_instructions"
    KNOWN_LIMITATIONS = "known_limitations"
    CHANGELOG_ENTRY = "changelog_entry"
    LIVE_TESTS = "live_tests"


class TestMarker(StrEnum):
    """The seeds' required test markers (seed 000)."""

    __test__ = False  # not a test class, whatever its name says

    UNIT = "unit"
    INTEGRATION = "integration"
    INTEGRATION_LIVE = "integration_live"
    NIGHTLY = "nightly"
