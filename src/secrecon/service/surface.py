"""The surface of an account as a graph: domains, their names, addresses, services, and the open findings on them.

Built from the inventory, bounded at any size: of each node's children the worst are shown, and how many are hidden is
always told. `assemble` is pure; the rest reads. A node that belongs to several (an address of many names) is shown once,
with an edge from each of them that is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from secrecon.accounts.caller import Caller
from secrecon.model.asset import AssetType
from secrecon.model.errors import BadInput
from secrecon.model.finding import Severity
from secrecon.model.inventory import AssetFilter
from secrecon.service.context import Context
from secrecon.store import assets, findings
from secrecon.store.assets import SurfaceRow
from secrecon.store.findings import OpenFinding

MAX_NODES, DEFAULT_NODES = 2_000, 300
FINDING = "finding"
LEVELS = (AssetType.DOMAIN, AssetType.SUBDOMAIN, AssetType.IP, AssetType.SERVICE)
_WORST = tuple(Severity)
_CALM = len(_WORST)


@dataclass(frozen=True, slots=True)
class SurfaceNode:
    """`id`: kind and value, unique in the graph. `severity`: the worst open finding on it or below it. `findings`: how
    many open findings are on it or below it; `gone`: not there any more when last looked for. One of `asset_id` and
    `finding_id` is set."""

    id: str
    kind: str
    label: str
    asset_id: int | None
    finding_id: int | None
    severity: Severity | None
    findings: int
    gone: bool


@dataclass(frozen=True, slots=True)
class Hidden:
    """Children of one node that are not in the graph. `parent` "" for roots."""

    parent: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Surface:
    """The graph; `totals`: how many assets of each type, and findings, there are in all. `edges`: (from, to) node ids."""

    nodes: tuple[SurfaceNode, ...]
    edges: tuple[tuple[str, str], ...]
    hidden: tuple[Hidden, ...]
    totals: Mapping[str, int]


@dataclass(slots=True)
class _Part:
    """A node while the graph is made. `below`: open findings on it and below it, by severity."""

    id: str
    kind: str
    label: str
    asset_id: int | None
    finding_id: int | None = None
    gone: bool = False
    below: Counter[Severity] = field(default_factory=Counter)
    children: dict[str, None] = field(default_factory=dict)
    parents: int = 0

    @property
    def rank(self) -> tuple[int, int, bool, str]:
        worst = min((_WORST.index(severity) for severity in self.below), default=_CALM)
        return worst, -self.below.total(), self.gone, self.label

    @property
    def node(self) -> SurfaceNode:
        worst = self.rank[0]
        severity = None if worst == _CALM else _WORST[worst]
        return SurfaceNode(
            self.id, self.kind, self.label, self.asset_id, self.finding_id, severity, self.below.total(), self.gone
        )


async def read_surface(
    ctx: Context, caller: Caller, *, target: str = "", root: str = "", limit: int = DEFAULT_NODES
) -> Surface:
    """The account's surface, or one target's; below the asset named by `root` where given. At most `limit` nodes."""
    if not 1 <= limit <= MAX_NODES:
        raise BadInput(f"limit must be between 1 and {MAX_NODES}", "limit")
    wanted = AssetFilter(target=target)
    async with ctx.db.reading() as tx:
        totals = await assets.count_by_type(tx, caller.account_id, wanted)
        rows = await assets.surface_rows(tx, caller.account_id, wanted, tuple(LEVELS))
        open_ = await findings.open_of(tx, caller.account_id, ctx.clock.now(), target)
        counted = {type_.value: many for type_, many in totals.items()} | {FINDING: len(open_)}
        found = assemble(rows, open_, counted, root=root, limit=limit)
        told = await findings.titles(tx, caller.account_id, [n.finding_id for n in found.nodes if n.finding_id])
    nodes = tuple(
        replace(node, label=told.get(node.finding_id, node.label)) if node.finding_id else node
        for node in found.nodes
    )
    return replace(found, nodes=nodes)


def assemble(
    rows: Sequence[SurfaceRow],
    open_: Sequence[OpenFinding],
    totals: Mapping[str, int],
    *,
    root: str = "",
    limit: int = DEFAULT_NODES,
) -> Surface:
    """The bounded graph of assets and open findings."""
    parts = _parts(rows)
    _place(parts, rows)
    _hang(parts, open_)
    tops = [part for part in parts.values() if part.label == root] if root else _roots(parts)
    shown, hidden = _choose(parts, tops[:1] if root else tops, limit)
    edges = tuple((id_, child) for id_ in shown for child in parts[id_].children if child in shown)
    return Surface(tuple(parts[id_].node for id_ in shown), edges, hidden, totals)


def _parts(rows: Iterable[SurfaceRow]) -> dict[str, _Part]:
    return {
        part.id: part
        for part in (
            _Part(f"{row.type}|{row.value}", row.type.value, row.value, row.id, gone=row.gone is not None)
            for row in rows
        )
    }


def _place(parts: dict[str, _Part], rows: Sequence[SurfaceRow]) -> None:
    """Edges: a name below its domain, an address below its names, a service below its address (or its name)."""
    names = {row.value: f"{row.type}|{row.value}" for row in rows if row.type in LEVELS[:2]}
    ips = {row.value: f"{row.type}|{row.value}" for row in rows if row.type is AssetType.IP}

    def link(above: str, below: str) -> None:
        if above != below and below not in parts[above].children:
            parts[above].children[below] = None
            parts[below].parents += 1

    for row in rows:
        me = f"{row.type}|{row.value}"
        if row.type is AssetType.SERVICE:
            for above in [ips[one] for one in row.addresses if one in ips] or [
                names[one] for one in row.parents if one in names
            ]:
                link(above, me)
            continue
        for address in row.addresses:
            if address in ips:
                link(me, ips[address])
        if row.type is AssetType.SUBDOMAIN:
            for above in [names[one] for one in row.parents if one in names][:1] or _domain(names, row.value):
                link(above, me)
        elif row.type is AssetType.IP:
            for one in row.parents:
                if one in names:
                    link(names[one], me)


def _domain(names: Mapping[str, str], value: str) -> list[str]:
    """The nearest known domain above a name."""
    labels = value.split(".")
    for cut in range(1, len(labels)):
        id_ = names.get(".".join(labels[cut:]), "")
        if id_.startswith(AssetType.DOMAIN):
            return [id_]
    return []


def _hang(parts: dict[str, _Part], open_: Sequence[OpenFinding]) -> None:
    """Findings below the service, name or address that they are on, and counted all the way up."""
    places = {part.label: part.id for part in parts.values()}
    for found in open_:
        place = places.get(found.asset)
        if place is None:
            continue
        id_ = f"{FINDING}|{found.id}"
        parts[id_] = _Part(id_, FINDING, found.check, None, found.id, below=Counter({found.severity: 1}))
        parts[place].children[id_] = None
        parts[id_].parents += 1
    for level in (AssetType.SERVICE, AssetType.IP, AssetType.SUBDOMAIN, AssetType.DOMAIN):
        for part in [part for part in parts.values() if part.kind == level]:
            for child in part.children:
                part.below.update(parts[child].below)


def _roots(parts: Mapping[str, _Part]) -> list[_Part]:
    return sorted((part for part in parts.values() if not part.parents), key=lambda part: part.rank)


def _choose(
    parts: Mapping[str, _Part], tops: Sequence[_Part], limit: int
) -> tuple[dict[str, None], tuple[Hidden, ...]]:
    """Level by level, so that a crowd on one level leaves room for the next; of each node's children the worst first."""
    width = limit if len(parts) <= limit else max(3, limit // 5)
    shown: dict[str, None] = {}
    waiting: list[tuple[str, list[_Part]]] = [("", list(tops))]
    hidden: list[Hidden] = []
    while waiting:
        following: list[tuple[str, list[_Part]]] = []
        for parent, children in waiting:
            fresh = [child for child in children if child.id not in shown]
            room = max(0, min(width, limit - len(shown)))
            for child in fresh[:room]:
                shown[child.id] = None
                below = sorted((parts[id_] for id_ in child.children), key=lambda part: part.rank)
                if below:
                    following.append((child.id, below))
            left = Counter(child.kind for child in fresh[room:])
            hidden += [Hidden(parent, kind, many) for kind, many in left.items()]
        waiting = following
    return shown, tuple(hidden)
