"""What stands on Dagster's pages about our assets, asked as the pages ask it, and every address among it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.orchestration.stacks.stack import Stack

_ENTRIES = """
fragment Entries on MetadataEntry {
  __typename label
  ... on UrlMetadataEntry { url }
  ... on MarkdownMetadataEntry { mdStr }
  ... on TextMetadataEntry { text }
  ... on TableMetadataEntry { table { records schema { columns { name } } } }
}
"""
_ASSETS = (
    """{ assetNodes {
  assetKey { path } description
  assetMaterializations(limit: 1) { metadataEntries { ...Entries } }
  assetChecksOrError { ... on AssetChecks { checks {
    name description
    executionForLatestMaterialization { evaluation { metadataEntries { ...Entries } } }
  } } }
} }"""
    + _ENTRIES
)
_LINK = re.compile(r"\]\((/[^)\s]*)\)")


@dataclass(frozen=True)
class Said:
    """One page: an asset's, or one of its checks'."""

    name: str
    description: str
    entries: tuple[dict[str, Any], ...]

    def addresses(self) -> Iterator[str]:
        """Of this origin; in a description, in Markdown, or by themselves."""
        yield from _LINK.findall(self.description)
        for entry in self.entries:
            yield from _LINK.findall(entry.get("mdStr") or "")
            if (url := entry.get("url") or "").startswith("/"):
                yield url


def said(stack: Stack) -> list[Said]:
    """Every page that has something of ours on it, as of its newest materialization."""
    found = []
    for node in stack.ask(_ASSETS)["assetNodes"]:
        name = "/".join(node["assetKey"]["path"])
        made = [entry for event in node["assetMaterializations"] for entry in event["metadataEntries"]]
        found.append(Said(name, node["description"] or "", tuple(made)))
        for check in node["assetChecksOrError"].get("checks", ()):
            run = check["executionForLatestMaterialization"] or {}
            entries = (run.get("evaluation") or {}).get("metadataEntries", ())
            found.append(Said(f"{name}: {check['name']}", check["description"] or "", tuple(entries)))
    return found
