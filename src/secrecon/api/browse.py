"""The page at /docs: the OpenAPI document for people, rendered on the server. No script, no outside host.

Everything on it comes from `/openapi.json`, so it cannot say anything else than the routes do.
"""

from __future__ import annotations

import json
from importlib.resources import files

from jinja2 import Environment, PackageLoader

from secrecon.api.openapi import Document
from secrecon.api.problem import TITLES
from secrecon.model.record import JsonValue

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
METHODS = ("get", "post", "put", "patch", "delete")

_pages = Environment(
    loader=PackageLoader("secrecon.api", "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def stylesheet() -> bytes:
    """The page's style sheet."""
    return files("secrecon.api").joinpath("pages", "reference.css").read_bytes()


def render(document: Document) -> str:
    """The whole page."""
    return _pages.get_template("reference.html").render(
        info=document.get("info", {}),
        paragraphs=_paragraphs(document),
        operations=_operations(document),
        schemas=_schemas(document),
        problems=[(status, slug, title) for status, (slug, title) in TITLES.items()],
    )


def _paragraphs(document: Document) -> list[str]:
    info = document.get("info")
    text = str(info.get("description", "")) if isinstance(info, dict) else ""
    plain = text.replace("**", "").replace("`", "")
    return [" ".join(part.split()) for part in plain.split("\n\n") if part.strip()]


def _operations(document: Document) -> list[dict[str, JsonValue]]:
    paths = document.get("paths")
    found: list[dict[str, JsonValue]] = []
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if isinstance(operation, dict):
                found.append({**operation, "path": path, "method": method.upper()})
    return found


def _schemas(document: Document) -> list[tuple[str, JsonValue]]:
    components = document.get("components")
    schemas = components.get("schemas") if isinstance(components, dict) else None
    return sorted(schemas.items()) if isinstance(schemas, dict) else []


def as_json(document: Document) -> bytes:
    """The document as it is served."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8")
