"""What others need to know of a running lab, as one value that travels as JSON between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from secrecon.model.errors import OperatorError
from secrecon.model.target import Origin


@dataclass(frozen=True, slots=True)
class LabDescription:
    """A running lab. `addresses`: host name to loopback address. `tls_names`: the hosts that speak https.

    `dns`: the name server that a scan of the lab uses. `name_servers`: it and its generous sibling, `ns1` and `ns2`: a
    scan that is given both asks each on its own port for the zone. `allow`: the block of addresses to put on the allow-list.
    `control_port`: on 127.0.0.1, see `control`. `ca_file`: the certificate of the lab's own authority. `services`: host name,
    kind and port of everything that is no web server (`lab.services`).
    """

    domain: str
    http_port: int
    tls_port: int
    dns: tuple[str, int]
    name_servers: tuple[tuple[str, int], ...]
    allow: str
    control_port: int
    ca_file: str
    callback_domain: str
    addresses: Mapping[str, str]
    tls_names: tuple[str, ...]
    services: tuple[tuple[str, str, int], ...] = ()

    def host(self, label: str) -> str:
        """The full name for a label (`fetch`), "" being the apex; full names stay as they are."""
        if label == self.domain or label.endswith("." + self.domain):
            return label
        return f"{label}.{self.domain}" if label else self.domain

    def origin(self, label: str) -> Origin:
        """The origin of a host, by label or full name. Raises OperatorError for a host the lab does not have."""
        name = self.host(label)
        if name not in self.addresses:
            raise OperatorError(f"the lab has no host {name}")
        if name in self.tls_names:
            return Origin("https", name, self.tls_port)
        return Origin("http", name, self.http_port)

    def address_origin(self, label: str) -> Origin:
        """The same origin by its bare address: a scan of it needs no name server."""
        origin = self.origin(label)
        return Origin(origin.scheme, self.addresses[origin.host], origin.port)

    @property
    def service_hosts(self) -> frozenset[str]:
        """The names of the hosts that have no web server."""
        return frozenset(host for host, _, _ in self.services)

    def service(self, label: str, kind: str) -> tuple[str, int]:
        """Address and port of a service. Raises OperatorError for one that the lab does not have."""
        name = self.host(label)
        for host, each, port in self.services:
            if (host, each) == (name, kind):
                return self.addresses[name], port
        raise OperatorError(f"the lab has no {kind} at {name}")

    @property
    def scan_ports(self) -> str:
        """Every port that a scan of the lab has to try, as settings write them. Others may belong to programs of this
        machine that listen on all addresses."""
        ports = {self.http_port, self.tls_port, *(port for _, _, port in self.services)}
        return ",".join(str(port) for port in sorted(ports))

    def to_json(self) -> str:
        """One line of JSON."""
        return _ADAPTER.dump_json(self).decode("utf-8")


_ADAPTER = TypeAdapter(LabDescription)


def read_description(line: str) -> LabDescription:
    """The description that `to_json` wrote. Raises OperatorError for anything else."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError as error:
        raise OperatorError(f"the lab did not start as expected: {line[:200]!r}") from error
