"""The protocol's page and schema say what the models say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines import protocol

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "engine-protocol.md").read_text()


def test_the_published_schema_is_the_models() -> None:
    command = "python -m certification_pipeline.harness.engines.protocol docs/schemas"
    for name, text in protocol.json_schemas().items():
        assert (DOCS / "schemas" / name).read_text() == text, f"run: {command}"


def test_the_example_obeys_the_models_and_the_schema() -> None:
    schema = json.loads(protocol.json_schemas()["engine-protocol.v1.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    lines = re.findall(r"^([<>]) (\{.*\})$", PAGE, re.MULTILINE)
    assert {json.loads(line)["type"] for _, line in lines} == {
        *("describe", "load", "stop"),
        *("described", "phase", "progress", "result", "error"),
    }
    for side, line in lines:
        (protocol.parse_request if side == ">" else protocol.parse_event)(line.encode())
        jsonschema.validate(json.loads(line), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**json.loads(line), "surprise": 1}, schema)


@pytest.mark.parametrize(
    "model",
    [
        *(protocol.Load, protocol.LoadOptions, protocol.Replay, protocol.DataObject, protocol.ColumnSpec),
        *(protocol.Described, protocol.Phase, protocol.Progress, protocol.Result, protocol.Error),
        protocol.RunRecord,
    ],
)
def test_every_field_is_on_the_page(model: type[protocol._Message]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in PAGE and name != "type"] == []


def test_every_failure_category_is_on_the_page() -> None:
    assert [one.value for one in FailureCategory if f"| `{one.value}` |" not in PAGE] == []
