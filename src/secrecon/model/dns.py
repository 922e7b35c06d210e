"""DNS nouns: what was asked and what came back (RFC 1035 names in lower case, without the final dot)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One resource record. `type`: A, AAAA, CNAME, MX, NS, TXT, SOA, ... `value`: presentation text."""

    name: str
    type: str
    ttl: int
    value: str


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """An answer. `rcode`: NOERROR, NXDOMAIN, REFUSED, ... `server`: the address asked."""

    name: str
    type: str
    rcode: str
    records: tuple[DnsRecord, ...]
    server: str

    def values(self, type_: str) -> tuple[str, ...]:
        """The values of every record of `type_`, in order."""
        return tuple(record.value for record in self.records if record.type == type_)


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """What became of one name of a sweep that is not simply absent.

    `rcode` NOERROR with `addresses`, or without any (the name exists and has none, or its alias leads to such a name);
    NXDOMAIN where `aliases` lead to a name that does not exist; SERVFAIL where they lead to one that cannot be looked up.
    """

    name: str
    rcode: str
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep of many names learned. A name in none of `answers`, `silent` and `refused` does not exist.

    `asked`: how many names; `sent`: queries that left. `silent`: names nobody answered for; `refused`: names every server
    that was asked failed on. `notes`: in plain words, what was the matter with which name server.
    """

    answers: tuple[NameAnswer, ...]
    asked: int
    sent: int
    silent: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
