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
