"""What the lab's applications know of the place they run in: names, ports, the fetcher, and the traps' counters.

Built before the ports are known; pages read it when they are shown.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from secrecon.lab.fetcher import Fetcher
from secrecon.lab.names import Names
from secrecon.model.target import Origin


@dataclass(slots=True)
class World:
    """The lab from the inside. `tls_sites`: the names that speak https. `traps`: how often each was sprung.
    `asked`: requests by label."""

    domain: str
    names: Names
    fetcher: Fetcher
    data_dir: Path
    http_port: int = 0
    tls_port: int = 0
    addresses: dict[str, str] = field(default_factory=dict)
    tls_sites: set[str] = field(default_factory=set)
    traps: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def name(self, label: str) -> str:
        """The full name of a site's label."""
        return f"{label}.{self.domain}" if label else self.domain

    def origin(self, label: str) -> Origin:
        """The origin of a site, by label."""
        name = self.name(label)
        if name in self.tls_sites:
            return Origin("https", name, self.tls_port)
        return Origin("http", name, self.http_port)

    def is_site(self, label: str, host: str | None) -> bool:
        """True where `host` is the named site, by name or by address."""
        name = self.name(label)
        return host is not None and host in (name, self.addresses.get(name))

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Do something after the reply has left, as a queue's worker would."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
