"""The published schema of the JSON report: real reports are valid, and nothing is written that it does not describe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from jsonschema import Draft202012Validator
from tests.report.conftest import entry, hostile, make_finding, make_record, records, with_callback
from tests.report.test_exports import hostile_finding

from secrecon.model.record import ScanRecord
from secrecon.report import build, render
from secrecon.report.schema import ReportDocument, report_schema

DOCS = Path(__file__).parents[2] / "docs" / "report.schema.json"


def closed(schema: Any) -> Any:
    """The same schema, but taking no field that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in inner and "type" in inner else inner


VALIDATOR = Draft202012Validator(closed(json.loads(report_schema())))


@settings(max_examples=25)
@given(records(4), hostile)
def test_any_report_is_as_described(record: ScanRecord, text: str) -> None:
    record = replace(record, findings=(*record.findings, entry(hostile_finding(text), 5_000)))
    errors = list(VALIDATOR.iter_errors(json.loads(render(build(record), "json")[0])))
    assert not errors, f"{list(errors[0].absolute_path)}: {errors[0].message}"


def test_what_is_described_is_written() -> None:
    document = json.loads(render(build(with_callback(make_record(make_finding()))), "json")[0])
    assert document.keys() == ReportDocument.model_fields.keys()


def test_the_schema_in_the_docs_is_the_one_in_the_code() -> None:
    """`python -m secrecon.report.schema > docs/report.schema.json` writes it anew."""
    assert DOCS.read_bytes() == report_schema()
