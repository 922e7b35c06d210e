"""Passive sources of names: what their list says of each, and the names in what they answer. Pure.

An answer is hostile: bounded before it is parsed, and only text at the places that the list names is taken; whether that
is a name of the target is for the caller to judge. A key is filled in here and shown nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import yaml

from secrecon.model.errors import OperatorError, ProtocolBroken

MAX_ANSWER = 30_000_000
MAX_NAMES = 20_000
MAX_LISTED = 50
_KEYS = frozenset({"none", "optional", "required"})


@dataclass(frozen=True, slots=True)
class NameSource:
    """One service. Fields as in rules/names/sources.yaml; `secret`: the operator's key, "" for none."""

    id: str
    title: str
    url: str
    names: tuple[str, ...]
    key: Literal["none", "optional", "required"] = "none"
    header: str = ""
    value: str = ""
    relative: bool = False
    next: str = ""
    after: str = ""
    pages: int = 1
    terms: str = ""
    about: str = ""
    secret: str = field(default="", repr=False)

    @property
    def ready(self) -> bool:
        """False where it needs a key and has none."""
        return self.key != "required" or bool(self.secret)

    def first(self, domain: str) -> str:
        """The URL of the first page."""
        return self.url.replace("{domain}", domain).replace("{key}", self.secret)

    def headers(self) -> Mapping[str, str]:
        """What carries the key; for this service's own host alone."""
        return {self.header: self.value.replace("{key}", self.secret)} if self.header and self.secret else {}

    def read(self, url: str, wire: bytes, domain: str) -> tuple[tuple[str, ...], str]:
        """The names in a page, and the URL of the next one ("" for none). Raises ProtocolBroken where it is not its format."""
        if self.names == ("lines",):
            lines = wire.decode("utf-8", "replace").splitlines()
            return tuple(line.partition(",")[0].strip() for line in lines if "." in line)[:MAX_NAMES], ""
        try:
            document = json.loads(wire)
        except (ValueError, RecursionError) as error:
            raise ProtocolBroken(f"{self.id} did not answer with JSON") from error
        found: dict[str, None] = {}
        for path in self.names:
            for text in _texts(document, path):
                for name in text.split():
                    found.setdefault(f"{name}.{domain}" if self.relative else name)
                if len(found) >= MAX_NAMES:
                    break
        return tuple(found), self._following(url, document)

    def _following(self, url: str, document: object) -> str:
        """The next page; only one on the same service is believed."""
        if self.next:
            following = next(_texts(document, self.next), "")
            same = urlsplit(following)[:2] == urlsplit(url)[:2]
            return following if following and same else ""
        if self.after:
            last = list(_texts(document, self.after))[-1:]
            base = url.partition("&after=")[0]
            return f"{base}&after={last[0]}" if last and last[0].isalnum() else ""
        return ""


def _texts(document: object, path: str) -> Iterator[str]:
    """Every text or number at `path`: keys joined by dots, `[]` for the elements of a list."""
    nodes = [document]
    for step in path.replace("[]", ".[]").strip(".").split("."):
        if step == "[]":
            nodes = [element for node in nodes if isinstance(node, list) for element in node]
        else:
            nodes = [node[step] for node in nodes if isinstance(node, dict) and step in node]
    return (str(node) for node in nodes if isinstance(node, str | int) and not isinstance(node, bool))


def read_sources(path: Path) -> tuple[NameSource, ...]:
    """The sources that the YAML file at `path` lists. Raises OperatorError naming what is wrong."""
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OperatorError(f"{path} cannot be read as a list of name sources: {error}") from error
    if not isinstance(rows, list) or len(rows) > MAX_LISTED:
        raise OperatorError(f"{path}: a list of at most {MAX_LISTED} name sources is expected")
    return tuple(_source(path, row) for row in rows)


def _source(path: Path, row: object) -> NameSource:
    if not isinstance(row, dict) or not all(isinstance(key, str) for key in row):
        raise OperatorError(f"{path}: each name source is a mapping with id, title, url and names")
    known = set(NameSource.__dataclass_fields__) - {"secret"}
    if set(row) - known or not {"id", "title", "url", "names"} <= set(row):
        raise OperatorError(
            f"{path}: a name source has id, title, url, names and of {sorted(known)}; got {sorted(row)}"
        )
    names = row["names"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise OperatorError(f"{path}: {row['id']}: names is a list of places, or [lines]")
    if row.get("key", "none") not in _KEYS or not isinstance(row.get("pages", 1), int):
        raise OperatorError(f"{path}: {row['id']}: key is none, optional or required; pages is a number")
    if not str(row["url"]).startswith(("https://", "http://127.", "http://[::1]", "http://localhost:")):
        raise OperatorError(f"{path}: {row['id']}: the url must begin with https://")
    return NameSource(**{**row, "names": tuple(names)})


def chosen(sources: Sequence[NameSource], words: Iterable[str]) -> tuple[NameSource, ...]:
    """The sources that `words` (`id` or `id=key`) switch on. Raises ValueError for an id that is not listed."""
    listed = {source.id: source for source in sources}
    found: list[NameSource] = []
    for word in words:
        id_, _, secret = word.partition("=")
        if id_ not in listed:
            raise ValueError(f"no source of names is called {id_!r}; there are {', '.join(listed)}")
        plain = {name: getattr(listed[id_], name) for name in NameSource.__dataclass_fields__}
        found.append(NameSource(**{**plain, "secret": secret}))
    return tuple(found)
