"""Products with endpoints that fetch what they are told, as requests to probe: `rules/ssrf/*.yaml`.

A crawler rarely meets these endpoints, since nothing links to them. They are asked for only where the product was
recognised, only by requests that read, and only with the address of our own listener. The files are ours and ship with
the package; they are read once. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.target import Origin

SOURCE = "product"
Place = Literal["query", "form", "json", "xml", "path", "header"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Endpoint(_Strict):
    """One request. `inputs`: what is given an address. `keep`: the other values that it needs; `{origin}` in them is the
    target's own. Keys are `place:name`; the value of an input shows how it holds an address (`put_into`). `about`: what
    the product does with it, in our words."""

    product: str
    about: str
    method: Literal["GET", "POST"] = "GET"
    path: str = Field(pattern=r"^/")
    media: str = ""
    inputs: dict[str, str]
    keep: dict[str, str] = {}
    versions: str = ""

    def parameters(self, origin: Origin) -> tuple[Parameter, ...]:
        """The kept values and the inputs, in the order written."""
        kept = [(key, value.replace("{origin}", str(origin))) for key, value in self.keep.items()]
        return tuple(_parameter(key, value) for key, value in (*kept, *self.inputs.items()))


def _parameter(key: str, value: str) -> Parameter:
    place, _, name = key.partition(":")
    return Parameter(name, InputPlace(place), value)


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Every endpoint of the packaged files. Raises ValueError for a file that is none."""
    folder = resources.files("secrecon.rules").joinpath("ssrf")
    found: list[Endpoint] = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            found += [Endpoint.model_validate(raw) for raw in yaml.safe_load(file.read_text("utf-8"))]
    return tuple(found)


def is_kept(shape: RequestShape, parameter: Parameter) -> bool:
    """True for a value that an endpoint needs as it is."""
    key = f"{parameter.place}:{parameter.name}"
    return shape.source == SOURCE and any(
        (endpoint.method, endpoint.path) == (shape.method, shape.path) and key in endpoint.keep
        for endpoint in endpoints()
    )


def endpoint_shapes(seen: Iterable[tuple[str, str]], origins: Mapping[str, Origin]) -> tuple[RequestShape, ...]:
    """The requests for the products seen. `seen`: (asset, product id). `origins`: of the web services, by asset."""
    found: dict[str, RequestShape] = {}
    for asset, product in seen:
        origin = origins.get(asset)
        for endpoint in endpoints() if origin is not None else ():
            if endpoint.product == product and origin is not None:
                shape = RequestShape(
                    origin, endpoint.method, endpoint.path, endpoint.parameters(origin), SOURCE, endpoint.media
                )
                found.setdefault(f"{shape.key}|{endpoint.keep}", shape)
    return tuple(found.values())
