"""A template file to a frozen, compiled `Template`, or to the exact reason and line for which it is refused.

`read_draft` reads the YAML and says what kind of template it is; `Draft.compile` does the rest. `code`, `javascript`,
`headless` and `file` sections are recognised and refused by policy: what they would run is never run.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace

import re2

from secrecon.templates.errors import DslError, TemplateInvalid, TemplateRefused
from secrecon.templates.fields import Fields, scalar, text_at
from secrecon.templates.flow import Flow, parse_flow
from secrecon.templates.flowscript import FlowScript
from secrecon.templates.parse_blocks import Helper, read_dns, read_http, read_ssl, read_tcp
from secrecon.templates.render import Text
from secrecon.templates.template import DnsBlock, HttpBlock, Info, SslBlock, TcpBlock, Template
from secrecon.templates.variables import Variables
from secrecon.templates.yamltree import Node, Scalar, Sequence, Table, read_tree

SECTIONS = {"http": "http", "requests": "http", "dns": "dns", "ssl": "ssl", "tcp": "tcp", "network": "tcp"}
BY_POLICY = ("code", "javascript", "headless", "file")
NOT_BUILT = ("workflows", "websocket", "whois")
SEVERITIES = ("info", "low", "medium", "high", "critical", "unknown")
MAX_BLOCKS = 100
_ID = re2.compile(r"(?:[a-zA-Z0-9]+[-_])*[a-zA-Z0-9]+")
MARKER = b"{{randstr"
_MARKERS = re2.compile(r"\{\{(randstr(?:_[A-Za-z0-9_]+)?)\}\}")
_BASE62 = string.digits + string.ascii_letters


@dataclass(frozen=True, slots=True)
class Draft:
    """A template file of which only the YAML was read. `sections`: its protocols, ours and foreign ones, in file order."""

    sections: tuple[str, ...]
    self_contained: bool
    _root: Table
    _constants: dict[str, str]

    @property
    def target_facing_http(self) -> bool:
        return "http" in self.sections and not self.self_contained

    def compile(self, helper: Helper) -> Template:
        """The template. `helper` reads a payload file by its path. Raises TemplateInvalid or TemplateRefused."""
        fields = Fields(self._root, "the template")
        identity = fields.wanted("id")
        if len(identity) > 200 or not _ID.fullmatch(identity):
            raise TemplateInvalid(f"not an id: {identity[:60]}", fields.line_of("id"))
        info = read_info(fields)
        self._refuse(fields)
        constants = {name: scalar(value, "a constant").text for name, value in fields.table("constants")}
        made = Template(
            id=identity,
            info=info,
            sections=tuple(section for section in self.sections if section in SECTIONS.values()),
            variables=Variables(tuple((name, _variable(value)) for name, value in fields.table("variables"))),
            constants={**constants, **self._constants},
            self_contained=fields.flag("self-contained"),
            stop_at_first_match=fields.flag("stop-at-first-match"),
            flow=_flow(fields),
        )
        made = _with_blocks(made, fields, helper)
        fields.done()
        _check_flow(made, fields.line_of("flow"))
        return made

    def _refuse(self, fields: Fields) -> None:
        for name in (*BY_POLICY, *NOT_BUILT):
            if fields.has(name):
                policy = name in BY_POLICY
                reason = f"{name} sections are not supported, by policy" if policy else f"{name} is not built"
                raise TemplateRefused(reason, fields.line_of(name), policy=policy)
        if not self.sections:
            raise TemplateInvalid("the template has no section that asks anything", fields.line)


def read_draft(source: bytes, chance: random.Random) -> Draft:
    """The YAML of a template file. `chance` makes the value of each `{{randstr}}`: one for a loaded template."""
    filled, constants = _preprocess(source, chance)
    root = read_tree(filled)
    sections: list[str] = []
    for name, node in root.entries.items():
        if name in SECTIONS or name in BY_POLICY or name in NOT_BUILT:
            count = len(node.items) if isinstance(node, Sequence) and name in SECTIONS else 1
            sections += [SECTIONS.get(name, name)] * min(count, MAX_BLOCKS + 1)
    flagged = root.entries.get("self-contained")
    return Draft(tuple(sections), isinstance(flagged, Scalar) and flagged.text.lower() == "true", root, constants)


def parse_template(source: bytes, helper: Helper, chance: random.Random) -> Template:
    """`read_draft` and `Draft.compile` in one."""
    return read_draft(source, chance).compile(helper)


def _preprocess(source: bytes, chance: random.Random) -> tuple[bytes, dict[str, str]]:
    """Every distinct `{{randstr}}` marker replaced everywhere, before the YAML is read."""
    constants: dict[str, str] = {}
    if MARKER not in source:
        return source, constants
    text = source.decode("latin-1")
    parts: list[str] = []
    end = 0
    for found in _MARKERS.finditer(text):
        name = found.group(1)
        if name not in constants:
            constants[name] = "".join(chance.choices(_BASE62, k=27))
        parts += (text[end : found.start()], constants[name])
        end = found.end()
    return ("".join(parts) + text[end:]).encode("latin-1"), constants


def read_info(fields: Fields) -> Info:
    """The `info` table that templates and workflows have."""
    node = fields.node("info")
    if node is None:
        raise TemplateInvalid("the template has no info", fields.line)
    info = Fields(node, "info")
    authors = _words(info, "author")
    if not authors:
        raise TemplateInvalid("info has no author", info.line)
    return Info(
        name=info.wanted("name"),
        authors=authors,
        severity=info.choice("severity", SEVERITIES, "unknown"),
        description=info.text("description").strip(),
        tags=tuple(tag.lower() for tag in _words(info, "tags")),
        references=tuple(item.text.strip() for item in info.scalars("reference")),
        classification=dict(_flat(info.table("classification"))),
        metadata=dict(_flat(info.table("metadata"))),
        impact=info.text("impact").strip(),
        remediation=info.text("remediation").strip(),
    )


def _words(info: Fields, name: str) -> tuple[str, ...]:
    """A list, or one text with commas."""
    return tuple(word.strip() for item in info.scalars(name) for word in item.text.split(",") if word.strip())


def _flat(entries: Iterable[tuple[str, Node]]) -> Iterable[tuple[str, str]]:
    for name, node in entries:
        if isinstance(node, Scalar):
            yield name, node.text
        elif isinstance(node, Sequence):
            yield name, ",".join(item.text for item in node.items if isinstance(item, Scalar))


def _variable(node: Node) -> Text | tuple[Text, ...]:
    if isinstance(node, Sequence):
        return tuple(text_at(scalar(item, "an item of a variable")) for item in node.items)
    return text_at(scalar(node, "a variable"))


def _with_blocks(made: Template, fields: Fields, helper: Helper) -> Template:
    http: list[HttpBlock] = []
    dns: list[DnsBlock] = []
    ssl: list[SslBlock] = []
    tcp: list[TcpBlock] = []
    for name, protocol in SECTIONS.items():
        nodes = fields.items(name)
        if len(nodes) > MAX_BLOCKS:
            raise TemplateInvalid(f"more than {MAX_BLOCKS} sections of {protocol}", fields.line_of(name))
        for node in nodes:
            if protocol == "http":
                http.append(read_http(node, helper))
            elif protocol == "dns":
                dns.append(read_dns(node, helper))
            elif protocol == "ssl":
                ssl.append(read_ssl(node, helper))
            else:
                tcp.append(read_tcp(node, helper))
    return replace(made, http=tuple(http), dns=tuple(dns), ssl=tuple(ssl), tcp=tuple(tcp))


def _flow(fields: Fields) -> Flow | FlowScript | None:
    node = fields.node("flow")
    if node is None:
        return None
    source = scalar(node, "the flow").text
    try:
        return parse_flow(source) or FlowScript(source)
    except DslError as error:
        raise TemplateInvalid(str(error), node.line) from error


def _check_flow(made: Template, line: int) -> None:
    """Every protocol that a flow asks is there. A block that is not there is found out where the flow gets to it: what
    comes before works."""
    for ask in made.flow.asks() if made.flow is not None else ():
        if ask.protocol not in made.sections:
            raise TemplateInvalid(f"the flow asks for {ask.protocol}, which is not there", line)
