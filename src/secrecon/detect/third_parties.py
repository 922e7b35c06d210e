"""Who fetches links without being the target: chat previews, mail proxies, search engines, link scanners.

Known by the name they give themselves (`rules/callers/third_parties.yaml`), so this is a hint: a server that fetches may
call itself anything. Such a callback lowers what is said, it never makes anything clean. Pure.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

MAX_AGENT = 500


class ThirdParty(BaseModel):
    """One service. `agent`: text in its User-Agent, any case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    agent: str
    kind: Literal["preview", "mail", "search", "scan"]


@cache
def third_parties() -> tuple[ThirdParty, ...]:
    """The packaged list."""
    file = resources.files("secrecon.rules").joinpath("callers") / "third_parties.yaml"
    return tuple(ThirdParty.model_validate(raw) for raw in yaml.safe_load(file.read_text("utf-8")))


def third_party_of(raw: str) -> ThirdParty | None:
    """Who a callback's request says it is from, where that is a known third party. `raw`: the request as text."""
    for line in raw.splitlines()[1:100]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "user-agent":
            agent = value[:MAX_AGENT].lower()
            return next((party for party in third_parties() if party.agent.lower() in agent), None)
    return None
