"""The surface as a picture and as a tree, from the same bounded graph: places only, no colours and no markup.

Columns from left to right: domains, names, addresses, services, findings; a column without anything is left out. A node
that belongs to several is drawn once. What the graph hides becomes a box with its count. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from secrecon.service.surface import Hidden, Surface, SurfaceNode

COLUMNS = ("domain", "subdomain", "ip", "service", "finding")
NAMES: Mapping[str, tuple[str, str]] = {
    "domain": ("domain", "domains"),
    "subdomain": ("name", "names"),
    "ip": ("address", "addresses"),
    "service": ("service", "services"),
    "finding": ("finding", "findings"),
}
WIDTH, HEIGHT, ROW, GAP, TOP = 176, 26, 36, 36, 34
CHARACTERS = 22


@dataclass(frozen=True, slots=True)
class Box:
    """`x`, `y`: the upper left corner. `words`: cut to the box. `severity`: "" for none; `hidden` for a count."""

    x: int
    y: int
    words: str
    severity: str
    hidden: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class Line:
    """From the right edge of one box to the left edge of another."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def middle(self) -> int:
        return (self.x1 + self.x2) // 2


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything to draw, in the units of the picture. `heads`: the names of the columns with their places."""

    width: int
    height: int
    heads: tuple[tuple[int, str], ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


@dataclass(slots=True)
class Branch:
    """A node with what is below it. `again`: it was told before, with what is below it, under another parent."""

    node: SurfaceNode
    below: list[Branch] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """The roots, and how many roots are hidden."""

    roots: tuple[Branch, ...]
    hidden: tuple[Hidden, ...]


def more_words(hidden: Hidden, beside: Sequence[Branch]) -> str:
    """`and 9,988 more names`, or `9,988 names` where none of them is shown. `beside`: what is shown below the same parent."""
    one, many = NAMES.get(hidden.kind, (hidden.kind, hidden.kind))
    words = one if hidden.count == 1 else many
    some = any(branch.node.kind == hidden.kind for branch in beside)
    return f"and {hidden.count:,} more {words}" if some else f"{hidden.count:,} {words}"


def grow(surface: Surface) -> Tree:
    """The graph as a tree: each node in full below the first of its parents."""
    nodes = {node.id: node for node in surface.nodes}
    children: dict[str, list[str]] = {}
    for above, below in surface.edges:
        children.setdefault(above, []).append(below)
    hidden: dict[str, list[Hidden]] = {}
    for item in surface.hidden:
        hidden.setdefault(item.parent, []).append(item)
    told: set[str] = set()

    def branch(id_: str) -> Branch:
        if id_ in told:
            return Branch(nodes[id_], again=True)
        told.add(id_)
        return Branch(nodes[id_], [branch(below) for below in children.get(id_, ())], hidden.get(id_, []))

    inner = {below for _, below in surface.edges}
    roots = tuple(branch(node.id) for node in surface.nodes if node.id not in inner)
    return Tree(roots, tuple(hidden.get("", ())))


def draw(surface: Surface) -> Picture:
    """Where every box and line goes."""
    tree = grow(surface)
    used = [
        kind
        for kind in COLUMNS
        if any(node.kind == kind for node in surface.nodes) or any(item.kind == kind for item in surface.hidden)
    ]
    place = {kind: index * (WIDTH + GAP) for index, kind in enumerate(used)}
    sheet = _Sheet(place)
    for root in tree.roots:
        sheet.put(root)
    for item in tree.hidden:
        sheet.count(item, tree.roots)
    lines = tuple(
        Line(sheet.at[above][0] + WIDTH, sheet.at[above][1] + HEIGHT // 2, x, y + HEIGHT // 2)
        for above, (x, y) in sheet.links(surface)
    )
    width = max(1, len(used)) * (WIDTH + GAP) - GAP
    heads = tuple((place[kind], NAMES[kind][1].capitalize()) for kind in used)
    return Picture(width + 2, sheet.row * ROW + TOP + 2, heads, tuple(sheet.boxes), lines)


class _Sheet:
    """Gives rows to leaves, and to every other node the middle of what is below it."""

    def __init__(self, place: Mapping[str, int]) -> None:
        self._place = place
        self.row = 0
        self.boxes: list[Box] = []
        self.at: dict[str, tuple[int, int]] = {}
        self._counts: list[tuple[str, tuple[int, int]]] = []

    def put(self, branch: Branch) -> int:
        """Place a branch; the y of its box."""
        if branch.again:
            return self.at[branch.node.id][1]
        x = self._place[branch.node.kind]
        self.at[branch.node.id] = (x, 0)
        ys = [self.put(below) for below in branch.below if not below.again]
        for item in branch.hidden:
            y = self.count(item, branch.below)
            self._counts.append((branch.node.id, (self._place[item.kind], y)))
            ys.append(y)
        y = (min(ys) + max(ys)) // 2 if ys else self._next()
        self.at[branch.node.id] = (x, y)
        node = branch.node
        self.boxes.append(Box(x, y, shorten(node.label), node.severity or "", False, node.gone))
        return y

    def count(self, item: Hidden, beside: Sequence[Branch]) -> int:
        """A box that says how many are hidden; its y."""
        y = self._next()
        self.boxes.append(Box(self._place[item.kind], y, more_words(item, beside), "", True, False))
        return y

    def links(self, surface: Surface) -> list[tuple[str, tuple[int, int]]]:
        """From which node to which place a line goes."""
        return [(above, self.at[below]) for above, below in surface.edges] + self._counts

    def _next(self) -> int:
        y = TOP + self.row * ROW
        self.row += 1
        return y


def shorten(words: str) -> str:
    """Cut in the middle, so that both ends can be read."""
    if len(words) <= CHARACTERS:
        return words
    return f"{words[:10]}…{words[-11:]}"
