"""The lab's zone data and what a server answers from it (RFC 1034, wildcards by RFC 4592). Pure: no sockets.

Names are lower case without the final dot. Every record set has one type and one or more presentation values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

TTL = 60
MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of one name and type. `values`: presentation text, as in a zone file."""

    name: str
    type: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a zone knows about a question: record sets in answer order, and whether the name exists at all."""

    sets: tuple[RecordSet, ...]
    exists: bool


@dataclass(slots=True)
class Zone:
    """One zone. `records[name][type]` are its values; a name that begins with `*.` is a wildcard."""

    apex: str
    records: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    _above: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name in self.records:
            self._note(name)

    def add(self, name: str, type_: str, *values: str) -> None:
        """Add values to a record set."""
        types = self.records.setdefault(name, {})
        self._note(name)
        types[type_] = types.get(type_, ()) + values

    def holds(self, name: str) -> bool:
        """True where `name` is at or below the apex."""
        return name == self.apex or name.endswith("." + self.apex)

    def soa(self) -> RecordSet:
        """The zone's SOA record."""
        return RecordSet(self.apex, "SOA", self.records[self.apex]["SOA"])

    def find(self, name: str, type_: str) -> Found:
        """The answer to a question, CNAMEs inside the zone followed."""
        sets: list[RecordSet] = []
        for _ in range(MAX_CHAIN):
            types = self._types(name)
            if types is None:
                return Found(tuple(sets), bool(sets) or self._has_below(name))
            if type_ in types:
                sets.append(RecordSet(name, type_, types[type_]))
                return Found(tuple(sets), True)
            if "CNAME" not in types:
                return Found(tuple(sets), True)
            sets.append(RecordSet(name, "CNAME", types["CNAME"]))
            name = types["CNAME"][0].rstrip(".")
            if not self.holds(name):
                break
        return Found(tuple(sets), True)

    def addresses(self, name: str) -> tuple[str, ...]:
        """The IPv4 addresses of a name, empty where it has none."""
        return tuple(value for s in self.find(name, "A").sets if s.type == "A" for value in s.values)

    def transfer(self) -> Iterator[RecordSet]:
        """Every record set in the order of a transfer: SOA first and last (RFC 5936)."""
        yield self.soa()
        for name, types in self.records.items():
            for type_, values in types.items():
                if type_ != "SOA":
                    yield RecordSet(name, type_, values)
        yield self.soa()

    def _types(self, name: str) -> dict[str, tuple[str, ...]] | None:
        if name in self.records:
            return self.records[name]
        if self._has_below(name):
            return None
        parent = name
        while self.holds(parent) and "." in parent:
            parent = parent.split(".", 1)[1]
            if f"*.{parent}" in self.records:
                return self.records[f"*.{parent}"]
            if parent in self.records or self._has_below(parent):
                return None
        return None

    def _note(self, name: str) -> None:
        above = name.partition(".")[2]
        while above and above not in self._above:
            self._above.add(above)
            above = above.partition(".")[2]

    def _has_below(self, name: str) -> bool:
        return name in self._above
