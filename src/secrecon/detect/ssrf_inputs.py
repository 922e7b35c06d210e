"""Which inputs are given a callback address, in which order, and which of them share a request.

Inputs are ranked by how likely a server fetches what they say. Those of one request that are equally likely are filled
together, each with an address of its own, so that a hit still names its input; amounts, operation texts and requests that
announce a change are never touched. What is left out is counted, so that the ledger can say so. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from secrecon.detect.acting import asks_amount
from secrecon.detect.destinations import fetch_rank, holds_markup
from secrecon.detect.inject import is_graphql, location_of, unsafe_reason, with_value
from secrecon.detect.ssrf_endpoints import is_kept
from secrecon.detect.ssrf_files import kinds_for
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.target import Origin

TOGETHER = 8
"""How many inputs share one request."""
NAMED = 2
DOCUMENT_RANK = 2
TRIAL = "x" * 200
"""As long as an address of ours is written; an input that does not take it cannot be tested."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input to test. `place`: the asset and the location that payloads and findings name it by."""

    shape: RequestShape
    parameter: Parameter

    @property
    def place(self) -> tuple[str, str]:
        return str(self.shape.origin), location_of(self.shape, self.parameter)

    @property
    def rank(self) -> int:
        """How likely the server fetches what it says: 0 no sign to 3 an address was there."""
        if self.parameter.place is InputPlace.FILE:
            return DOCUMENT_RANK
        return fetch_rank(self.parameter)

    @property
    def is_file(self) -> bool:
        return self.parameter.place is InputPlace.FILE

    @property
    def takes_markup(self) -> bool:
        """Whether a document is expected that a server may render."""
        return not self.is_file and holds_markup(self.parameter)


@dataclass(frozen=True, slots=True)
class Chosen:
    """`tested`: likeliest first. `unlikely`: left out of a quick scan. `over`: more than the limit. `stays`: files and
    markup, which a quick scan does not leave anywhere."""

    tested: list[Input]
    unlikely: list[Input]
    over: list[Input]
    stays: list[Input]

    def likely(self) -> list[Input]:
        """The tested inputs with a sign, files aside: worth a way around filters."""
        return [item for item in self.tested if item.rank and not item.is_file]


def choose(shapes: Iterable[RequestShape], covers: Callable[[Origin], bool], *, full: bool, limit: int) -> Chosen:
    """The inputs of `shapes` within the target, each once, in order of their rank."""
    found: dict[tuple[str, str], Input] = {}
    for shape in shapes:
        if covers(shape.origin) and not unsafe_reason(shape):
            for parameter in shape.parameters:
                item = Input(shape, parameter)
                if not _is_kept(item):
                    found.setdefault(item.place, item)
    ordered = sorted(found.values(), key=lambda item: -item.rank)
    stays = [item for item in ordered if item.is_file and not full]
    wanted = [item for item in ordered if full or (item.rank and not item.is_file)]
    unlikely = [item for item in ordered if not full and not item.rank]
    tested: list[Input] = []
    over: list[Input] = []
    for item in wanted:  # writing a request costs, so it is tried only where there is room
        if len(tested) >= limit:
            over.append(item)
        elif with_value(item.shape, item.parameter, TRIAL) is not None:
            tested.append(item)
    return Chosen(tested, unlikely, over, stays)


def _is_kept(item: Input) -> bool:
    """Sizes, counts and delays keep the value they were seen with, and so do GraphQL operations and odd files."""
    parameter = item.parameter
    if item.is_file:
        return not kinds_for(parameter.value)
    if is_kept(item.shape, parameter):
        return True
    return is_graphql(parameter) or (asks_amount(parameter.name) and fetch_rank(parameter) < NAMED)


def groups(items: Iterable[Input]) -> Iterator[tuple[Input, ...]]:
    """The inputs that share a request: of one request, with a sign or all without, at most TOGETHER, and never two of
    one path. The order of the first ones stays."""
    open_: dict[tuple[str, bool], list[Input]] = {}
    done: list[list[Input]] = []
    for item in items:
        if item.is_file or item.parameter.place is InputPlace.PATH:
            done.append([item])
            continue
        key = (f"{item.shape.key}|{item.shape.content_type}", bool(item.rank))
        group = open_.get(key)
        if group is None or len(group) >= TOGETHER:
            group = open_[key] = []
            done.append(group)
        group.append(item)
    yield from (tuple(group) for group in done)
