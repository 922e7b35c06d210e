"""Products under several names, and products as packages (rules/aliases.yaml). Read strictly, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from secrecon.model.errors import OperatorError

Key = Annotated[str, Field(pattern=r"^[aoh]:[^:\s]+:[^:\s]+$")]
Package = Annotated[str, Field(pattern=r"^[a-z0-9.-]+(?:/[a-z0-9.-]+)?/[^\s]+$")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    same: list[list[Key]]
    packaged: list[Key]
    packages: dict[str, Package]


@dataclass(frozen=True, slots=True)
class Aliases:
    """`names`: product key to every key it is known by, itself first. `packaged`: products whose versions carry packaging.
    `packages`: fingerprint to package key."""

    names: Mapping[str, tuple[str, ...]]
    packaged: frozenset[str]
    packages: Mapping[str, str]

    def of(self, key: str) -> tuple[str, ...]:
        """Every name of a product."""
        return self.names.get(key, (key,))


def load_aliases() -> Aliases:
    """The shipped file. Raises OperatorError where it is broken."""
    text = (resources.files("secrecon") / "rules" / "aliases.yaml").read_text("utf-8")
    try:
        raw = _File.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise OperatorError(f"rules/aliases.yaml does not fit: {error}") from error
    names: dict[str, tuple[str, ...]] = {}
    for group in raw.same:
        for key in group:
            if key in names:
                raise OperatorError(f"rules/aliases.yaml names {key} twice")
            names[key] = (key, *(other for other in group if other != key))
    return Aliases(names, frozenset(raw.packaged), raw.packages)
