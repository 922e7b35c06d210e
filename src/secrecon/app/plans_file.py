"""The operator's own plan table: a YAML mapping of plan name to its limits, laid over the built-in plans.

team:
  scans: 20            # a calendar month; null for no limit
  api: true
  stored_reports: 100  # null for no limit
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from secrecon.accounts.plans import DEFAULT_PLANS, Plan
from secrecon.model.errors import OperatorError


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    scans: int | None = Field(ge=0)
    api: bool
    stored_reports: int | None = Field(ge=1)


_TABLE = TypeAdapter(dict[str, _Row])


def load_plans(file: Path | None) -> Mapping[str, Plan]:
    """The built-in plans with those of `file` on top. Raises OperatorError for a file that is not such a table."""
    if file is None:
        return DEFAULT_PLANS
    try:
        rows = _TABLE.validate_python(yaml.safe_load(file.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OperatorError(f"SECRECON_PLANS_FILE: {file} cannot be read: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise OperatorError(
            f"SECRECON_PLANS_FILE: {file} is wrong at {where}: {problem['msg']}; each plan needs scans, api, stored_reports"
        ) from error
    own = {name: Plan(name, row.scans, row.api, row.stored_reports) for name, row in rows.items()}
    return {**DEFAULT_PLANS, **own}
