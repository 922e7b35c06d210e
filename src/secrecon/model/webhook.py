"""Webhooks as nouns: what happens that somebody may be told of, where it is sent, and how one delivery stands.

Payloads and headers follow the Standard Webhooks specification (standardwebhooks.com): `type`, `timestamp`, `data`, and
`webhook-id`, `webhook-timestamp`, `webhook-signature`. Nothing here signs or sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from secrecon.model.errors import BadInput
from secrecon.model.target import normalise_host

MAX_URL = 2_000
PORTS = {"https": 443, "http": 80}


class HookEvent(StrEnum):
    """What somebody may be told of. `webhook.test` is sent when a user asks for it, whatever the webhook listens to."""

    SCAN_FINISHED = "scan.finished"
    FINDING_NEW = "finding.new"
    FINDING_EXPLOITED = "finding.exploited"
    ASSET_APPEARED = "asset.appeared"
    SCHEDULE_MISSED = "schedule.missed"
    FEED_UNHEALTHY = "feed.unhealthy"
    CREDITS_LOW = "credits.low"
    TEST = "webhook.test"


CHOICES = tuple(kind for kind in HookEvent if kind is not HookEvent.TEST)
"""The events that a webhook can listen to."""


@dataclass(frozen=True, slots=True)
class HookUrl:
    """Where a webhook goes. `target`: path and query as given. `host` is normalised and never empty."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.authority}{port}{self.target}"

    @property
    def authority(self) -> str:
        """The host as a URL writes it."""
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_hook_url(text: str) -> HookUrl:
    """The URL of a webhook. Raises BadInput (field `url`) with what is wrong."""
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise BadInput(f"url must be at most {MAX_URL} printable ASCII characters without blanks", "url")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"url cannot be read: {error}", "url") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadInput("url must begin with https:// and name a host", "url")
    if "@" in parts.netloc:
        raise BadInput("url must not hold a user name or password: the signature proves who sent it", "url")
    if parts.fragment or port == 0:
        raise BadInput("url must have no fragment, and a port from 1 to 65535", "url")
    try:
        host = normalise_host(parts.hostname)
    except BadInput as error:
        raise BadInput(f"url: {error}", "url") from error
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HookUrl(parts.scheme, host, port or PORTS[parts.scheme], target)


class DeliveryState(StrEnum):
    """`waiting`: to be sent, or sent again, at `next_try`; `failed`: given up, a replay sends it again."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of an account. `secret` and `old_secret` are sealed; the old one counts until `old_until`. `disabled`: when
    it was switched off, None while it is on; `disabled_why`: by whom or for what reason."""

    id: int
    account_id: int
    name: str
    url: str
    events: tuple[HookEvent, ...]
    secret: str
    old_secret: str | None
    old_until: float | None
    created: float
    disabled: float | None
    disabled_why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one webhook. `message_id` stays the same over retries and replays, so that a receiver can tell that
    it had it already. `last_status`: of the receiver's answer, None where none came; `last_error`: in words."""

    id: int
    webhook_id: int
    message_id: str
    event: HookEvent
    body: str
    created: float
    tries: int
    next_try: float | None
    delivered: float | None
    last_try: float | None
    last_status: int | None
    last_error: str

    @property
    def state(self) -> DeliveryState:
        if self.delivered is not None:
            return DeliveryState.DELIVERED
        return DeliveryState.FAILED if self.next_try is None else DeliveryState.WAITING
