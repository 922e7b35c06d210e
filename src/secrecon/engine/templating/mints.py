"""Callback addresses for the templates of a scan: each is stored with its scan before the request that carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from secrecon.detect.evidence import excerpt
from secrecon.engine.phase import Ground
from secrecon.engine.templating.driver import Job, by_lookup_alone
from secrecon.engine.templating.findings import line_of
from secrecon.model.interaction import Interaction, Payload
from secrecon.model.scan import ScanSpec
from secrecon.net.clock import Clock
from secrecon.templates.execution.events import Callback

MAX_REQUEST = 4_000
TECHNIQUE = "template"


class ScanCallbacks:
    """For one round. `assets`: the asset that each job is for."""

    def __init__(self, spec: ScanSpec, ground: Ground, assets: Mapping[Job, str], clock: Clock) -> None:
        self._spec = spec
        self._ground = ground
        self._assets = assets
        self._clock = clock
        self._minted: dict[str, Payload] = {}
        self._seen: set[str] = set()

    def mint(self, job: Job) -> tuple[str, str] | None:
        callbacks = self._ground.callbacks
        if callbacks is None:
            return None
        payload = callbacks.mint(
            self._spec,
            check=line_of(job.prepared.template),
            asset=self._assets[job],
            location="",
            technique=TECHNIQUE,
            now=self._clock.now(),
        )
        if not payload.hostname and by_lookup_alone(job.prepared.template):
            return None
        self._minted[payload.token] = payload
        return payload.hostname or payload.url.removeprefix("http://").rstrip("/"), payload.token

    async def keep(self, job: Job, tokens: Sequence[str], request: bytes) -> None:
        shown = excerpt(request, MAX_REQUEST)
        await self._ground.log.keep_payloads([replace(self._minted[token], request=shown) for token in tokens])

    async def collect(self) -> Sequence[tuple[str, Callback]]:
        fresh = []
        for hit in await self._ground.log.interactions():
            if hit.id not in self._seen and hit.token in self._minted and not hit.own:
                self._seen.add(hit.id)
                fresh.append((hit.token, callback_of(hit)))
        return fresh


def callback_of(interaction: Interaction) -> Callback:
    """A hit as templates see it."""
    raw = interaction.raw.encode("utf-8", "surrogateescape")
    return Callback(str(interaction.protocol), raw, b"", interaction.remote_address)
