"""Small stand-ins for real products, one pair for each of our own templates: the version with the flaw and the mended one.

A twin is a pure function of a request (`answer(asked, fixed)`), registered under its template's id in the `TWINS` of its
module. It behaves as the product does where the template looks, and nowhere else. Nothing here runs a command, opens a
file or leaves loopback: what a flaw would yield is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from secrecon.lab.twins import (
    appliances,
    cluster,
    cms,
    data,
    devices,
    devtools,
    enterprise,
    evaluating,
    java,
    javascript,
    monitoring,
    packages,
    panels,
    php,
    servers,
)
from secrecon.lab.twins.shapes import Answer

MODULES = (
    appliances,
    cluster,
    cms,
    data,
    devices,
    devtools,
    enterprise,
    evaluating,
    java,
    javascript,
    monitoring,
    packages,
    panels,
    php,
    servers,
)  # fmt: skip


@cache
def every_twin() -> Mapping[str, Answer]:
    """All twins by template id. Raises ValueError where two modules claim one id."""
    found: dict[str, Answer] = {}
    for module in MODULES:
        twice = found.keys() & module.TWINS.keys()
        if twice:
            raise ValueError(f"more than one twin for {', '.join(sorted(twice))}")
        found.update(module.TWINS)
    return found
