"""The protocol sections, from YAML to compiled blocks. What is refused by policy is
refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import re2

from secrecon.templates.errors import DslError, TemplateInvalid, TemplateRefused
from secrecon.templates.fields import Fields, scalar, text_at
from secrecon.templates.parse_fuzzing import read_fuzzing
from secrecon.templates.parse_operators import read_operators
from secrecon.templates.payloads import Attack, Payloads, lines_of, refused_path
from secrecon.templates.rawrequest import RawRequest, parse_raw, split_annotations
from secrecon.templates.render import Text
from secrecon.templates.template import DnsBlock, HttpBlock, Redirects, SslBlock, TcpBlock, TcpInput
from secrecon.templates.yamltree import Node, Scalar, Sequence, Table

Helper = Callable[[str], bytes]
MAX_REQUESTS = 1000
REFUSED_FIELDS = {
    "race": "it sends one request many times at one moment, so that the target does twice what it should do once",
    "race_count": "it sends one request many times at one moment, so that the target does twice what it should do once",
    "pipeline": "it sends requests without waiting for answers, past the pace that protects the target",
    "analyzer": "it makes the target wait again and again, or judges by rules that the template does not hold",
}
_IGNORED = (
    "cookie-reuse",
    "read-all",
    "req-condition",
    "pipeline-concurrent-connections",
    "pipeline-requests-per-connection",
)
_METHOD = re2.compile(r"[A-Za-z]{1,30}")
_INDEXED = re2.compile(r"_\d+")
_RECORDS = ("A", "AAAA", "CNAME", "NS", "SOA", "PTR", "MX", "TXT", "DS", "CAA", "SRV", "ANY", "TLSA")


def _with_crlf(text: str) -> str:
    return text if "\r\n" in text else text.replace("\n", "\r\n")


def texts_in(node: Node) -> Iterator[str]:
    """Every scalar and key below a node."""
    if isinstance(node, Scalar):
        yield node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from texts_in(item)
    else:
        for key, value in node.entries.items():
            yield key
            yield from texts_in(value)


def _refuse(block: Fields) -> None:
    for name, why in REFUSED_FIELDS.items():
        node = block.node(name)
        if node is not None and not (isinstance(node, Scalar) and node.text.lower() in ("false", "0", "")):
            raise TemplateRefused(f"{name} is not supported, by policy: {why}", node.line, policy=True)


def read_http(node: Node, helper: Helper) -> HttpBlock:
    block = Fields(node, "an http section")
    _refuse(block)
    for name in _IGNORED:
        block.node(name)
    unsafe = block.flag("unsafe")
    paths = tuple(text_at(item) for item in block.scalars("path"))
    raws = tuple(_raw(item, unsafe=unsafe) for item in block.scalars("raw"))
    fuzzing, watches = read_fuzzing(block), block.flag("global-matchers")
    if not paths and not raws and fuzzing is None and not watches:
        raise TemplateInvalid("an http section has neither path nor raw", block.line)
    if fuzzing is not None and (unsafe or paths or raws):
        raise TemplateInvalid("fuzzing excludes unsafe, path and raw", block.line_of("fuzzing"))
    if len(paths) + len(raws) > MAX_REQUESTS:
        raise TemplateInvalid(f"an http section of more than {MAX_REQUESTS} requests", block.line)
    made = HttpBlock(
        operators=read_operators(block),
        paths=() if watches else paths,
        raws=() if watches else raws,
        id=block.text("id").strip(),
        method=_method(block),
        headers=tuple((name, text_at(scalar(value, "a header"))) for name, value in block.table("headers")),
        body=_body(block),
        payloads=_payloads(block, node, helper),
        redirects=_redirects(block),
        max_redirects=max(0, block.integer("max-redirects")) or 10,
        threads=max(0, block.integer("threads")),
        max_size=max(0, block.integer("max-size")),
        unsafe=unsafe,
        stop_at_first_match=block.flag("stop-at-first-match"),
        iterate_all=block.flag("iterate-all"),
        skip_variables_check=block.flag("skip-variables-check"),
        disable_path_automerge=block.flag("disable-path-automerge"),
        disable_cookie=block.flag("disable-cookie"),
        indexed=_asks_for_history(block),
        fuzzing=fuzzing,
        global_matchers=watches,
        signature=block.choice("signature", ("aws", ""), "") == "aws",
        digest_username=block.text("digest-username"),
        digest_password=block.text("digest-password"),
    )
    block.done()
    if fuzzing is not None and made.indexed:
        raise TemplateInvalid("fuzzing excludes names with numbers, such as body_2", block.line_of("fuzzing"))
    return made


def _method(block: Fields) -> str:
    method = block.text("method", "GET").strip()
    if not _METHOD.fullmatch(method):
        raise TemplateInvalid(f"not a method: {method[:40]}", block.line_of("method"))
    return method.upper()


def _raw(node: Scalar, *, unsafe: bool) -> RawRequest:
    try:
        annotations, rest = split_annotations(node.text)
        if not unsafe:
            parse_raw(rest.encode("utf-8", "replace"))
    except DslError as error:
        raise TemplateInvalid(str(error), node.line) from error
    return RawRequest(text_at(node, _with_crlf(rest)), annotations)


def _body(block: Fields) -> Text | None:
    node = block.node("body")
    return None if node is None else text_at(at := scalar(node, "the body"), _with_crlf(at.text))


def _redirects(block: Fields) -> Redirects:
    every, host, scheme = block.flag("redirects"), block.flag("host-redirects"), block.flag("protocol-redirects")
    if every and host:
        raise TemplateInvalid("redirects and host-redirects exclude each other", block.line_of("host-redirects"))
    if scheme:
        if not every and not host:
            raise TemplateInvalid(
                "protocol-redirects needs redirects or host-redirects", block.line_of("protocol-redirects")
            )
        return Redirects.SAME_SCHEME
    return Redirects.SAME_HOST if host else Redirects.ALL if every else Redirects.NONE


def _asks_for_history(block: Fields) -> bool:
    """`_1` and its like in a part or expression: textual, so that a name like num_1 counts too."""
    for name in ("matchers", "extractors"):
        for node in block.items(name):
            if isinstance(node, Table):
                asked = [node.entries[key] for key in ("part", "dsl") if key in node.entries]
                if any(_INDEXED.search(text) for each in asked for text in texts_in(each)):
                    return True
    return False


def _payloads(block: Fields, node: Node, helper: Helper) -> Payloads | None:
    lists = block.table("payloads")
    attack = Attack(block.choice("attack", tuple(Attack), Attack.BATTERINGRAM))
    if not lists:
        return None
    assert isinstance(node, Table)
    rest = "\n".join(text for key, value in node.entries.items() if key != "payloads" for text in texts_in(value))
    used = tuple((name, _values(value, helper)) for name, value in lists if name in rest)
    if not used:
        return None
    try:
        return Payloads(attack, used)
    except DslError as error:
        raise TemplateInvalid(str(error), block.line_of("payloads")) from error


def _values(node: Node, helper: Helper) -> tuple[str, ...]:
    """A list; a file's lines; the lines of a text; or, of aggression levels, the lowest."""
    if isinstance(node, Sequence):
        values = tuple(scalar(item, "a payload").text for item in node.items)
    elif isinstance(node, Table):
        if "low" not in node.entries:
            raise TemplateInvalid("payloads by level need the level low", node.line)
        values = _values(node.entries["low"], helper)
    elif "\n" in node.text:
        values = tuple(line for line in node.text.splitlines() if line.strip())
    else:
        values = _file(node, helper)
    if not values:
        raise TemplateInvalid("an empty payload list", node.line)
    return values


def _file(node: Scalar, helper: Helper) -> tuple[str, ...]:
    path = node.text.strip()
    why = refused_path(path)
    if why:
        raise TemplateRefused(f"{why}: {path[:80]}", node.line, policy=True)
    try:
        return lines_of(helper(path))
    except OSError as error:
        raise TemplateInvalid(f"the payload file {path[:80]} cannot be read", node.line) from error
    except DslError as error:
        raise TemplateInvalid(f"{path[:80]}: {error}", node.line) from error


def read_dns(node: Node, helper: Helper) -> DnsBlock:
    block = Fields(node, "a dns section")
    name = block.node("name")
    made = DnsBlock(
        operators=read_operators(block),
        name=text_at(scalar(name, "the name"), None)
        if name is not None
        else text_at(Scalar("{{FQDN}}", block.line, False)),
        type=block.choice("type", tuple(record.lower() for record in _RECORDS), "a").upper(),
        id=block.text("id").strip(),
        class_=block.choice("class", ("inet", "csnet", "chaos", "hesiod", "none", "any"), "inet"),
        recursion=block.flag("recursion", default=True),
        retries=block.integer("retries", 3),
    )
    block.done()
    return made


def read_ssl(node: Node, helper: Helper) -> SslBlock:
    block = Fields(node, "an ssl section")
    versions = ("", "ssl30", "sslv3", "tls10", "tls11", "tls12", "tls13")
    made = SslBlock(
        operators=read_operators(block),
        address=text_at(Scalar(block.wanted("address"), block.line_of("address"), False)),
        id=block.text("id").strip(),
        min_version=block.choice("min_version", versions, ""),
        max_version=block.choice("max_version", versions, ""),
    )
    block.done()
    return made


def read_tcp(node: Node, helper: Helper) -> TcpBlock:
    block = Fields(node, "a tcp section")
    hosts = tuple(text_at(item) for item in block.scalars("host"))
    if not hosts:
        raise TemplateInvalid("a tcp section has no host", block.line)
    made = TcpBlock(
        operators=read_operators(block),
        hosts=hosts,
        port=text_at(Scalar(block.text("port").strip(), block.line_of("port"), False)),
        inputs=tuple(_input(item) for item in block.items("inputs")),
        id=block.text("id").strip(),
        read_size=max(0, block.integer("read-size", 1024)),
        read_all=block.flag("read-all"),
        stop_at_first_match=block.flag("stop-at-first-match"),
        payloads=_payloads(block, node, helper),
    )
    block.done()
    return made


def _input(node: Node) -> TcpInput:
    fields = Fields(node, "an input")
    data = fields.node("data")
    made = TcpInput(
        data=text_at(scalar(data, "the data of an input") if data is not None else Scalar("", fields.line, False)),
        hexadecimal=fields.choice("type", ("hex", "text"), "text") == "hex",
        read=max(0, fields.integer("read")),
        name=fields.text("name").strip(),
    )
    fields.done()
    return made
