"""YAML trees: the C parser reads what the pure one reads, and hostile shapes end early in both."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from secrecon.templates import yamltree
from secrecon.templates.errors import TemplateInvalid
from secrecon.templates.yamltree import MAX_BYTES, Node, Scalar, Table, read_tree

LOADERS = (yaml.SafeLoader, yaml.CSafeLoader)


@pytest.fixture(params=LOADERS, ids=("pure", "libyaml"))
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(yamltree, "_Loader", request.param)
    return request.param


@pytest.mark.usefixtures("loader")
def test_lines_quotes_and_sizes() -> None:
    root = read_tree(b"a: &x [1, 'two']\nb: |\n  x\n  y\nc: *x\nd:\n")
    one, two = Scalar("1", 1, quoted=False), Scalar("two", 1, quoted=True)
    assert root == Table(
        {
            "a": yamltree.Sequence((one, two), 1, 3),
            "b": Scalar("x\ny\n", 2, quoted=True),
            "c": yamltree.Sequence((one, two), 1, 3),
            "d": Scalar("", 6, quoted=False),
        },
        1,
        13,
    )


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        (b"a: 1\na: 2\n", "the key a is there twice", 2),
        (b"? [a]\n: 1\n", "a key must be plain text", 1),
        (b"a: *b\n", "the alias b stands for nothing that came before", 1),
        (b"a: &b [*b]\n", "the alias b stands for nothing that came before", 1),
        (b"a: 1\n---\nb: 1\n", "a second YAML document in the file", 2),
        (b"", "a template is a table of fields", 1),
        (b"- a\n", "a template is a table of fields", 1),
        (b"a:\n  - b: [" + b"[" * 40, "YAML nested deeper than 30", 2),
        (b"a: 1\nb: \xff\n", "not UTF-8 text", 2),
        (b"a: [" + b"1," * 100_000 + b"]", "YAML of more than 100000 values", 1),
        (
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (at + 1, at + 1, b",".join([b"*%c" % at] * 10)) for at in range(97, 103)
            ),
            "YAML of more than 100000 values",
            5,
        ),
    ],
)
def test_what_is_refused(source: bytes, reason: str, line: int) -> None:
    with pytest.raises(TemplateInvalid) as told:
        read_tree(source)
    assert (told.value.reason, told.value.line) == (reason, line)


@pytest.mark.parametrize(
    "part", [b"[", b"{", b"- ", b"? ", b"a: ", b"[a, ", b"&a ", b"!", b"a\n", b"---\n", b"[a: 1, "]
)
def test_a_file_of_one_thing_over_and_over_is_refused(part: bytes) -> None:
    with pytest.raises(TemplateInvalid):
        read_tree(part * (MAX_BYTES // len(part)))


def plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return (node.text, node.line, node.quoted)
    if isinstance(node, Table):
        return {key: plain(value) for key, value in node.entries.items()}
    return [plain(item) for item in node.items]


def tree_or_line(loader: object, source: bytes) -> object:
    before = yamltree._Loader
    yamltree._Loader = loader  # type: ignore[assignment]
    try:
        return plain(read_tree(source))
    except TemplateInvalid:
        return "refused"
    finally:
        yamltree._Loader = before


text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
values = st.recursive(
    text | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(text, values, max_size=5), st.sampled_from(["'", '"', "|", ">", None]), st.booleans())
def test_both_parsers_read_what_a_yaml_writer_writes(value: object, style: str | None, flow: bool) -> None:
    source = yaml.safe_dump(value, default_style=style, default_flow_style=flow, allow_unicode=True).encode()
    assert tree_or_line(yaml.SafeLoader, source) == tree_or_line(yaml.CSafeLoader, source)


@given(st.text(st.sampled_from("a:-?[]{},&*!|>'\"%@` \n\t#\\\x00\u2028é"), max_size=60))
def test_noise_is_read_or_refused(source: str) -> None:
    assert tree_or_line(yaml.CSafeLoader, source.encode()) is not None
