"""The JSON shapes of webhooks and their deliveries: as `shapes`, only shapes and no rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from secrecon.api import shapes
from secrecon.model.webhook import CHOICES, MAX_URL

Name = Annotated[str, Field(min_length=1, max_length=100, examples=["Alerts"])]
Url = Annotated[str, Field(min_length=1, max_length=MAX_URL, examples=["https://hooks.example.com/secrecon"])]
Events = Annotated[
    list[str],
    Field(min_length=1, max_length=len(CHOICES), json_schema_extra={"items": {"enum": [k.value for k in CHOICES]}}),
]


class WebhookBody(BaseModel):
    """A webhook to be made. https only, unless the operator allowed the place."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    url: Url
    events: Events


class WebhookPatch(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    url: Url | None = None
    events: Events | None = None
    enabled: bool | None = None


class WebhookLine(shapes.Shape):
    """A webhook. `disabled_why`: why it was switched off, "" while it is on."""

    id: int
    name: str
    url: str
    events: list[str]
    enabled: bool
    disabled_why: str
    created_at: shapes.Time


class NewWebhook(WebhookLine):
    """The same with its signing secret, which is shown this once."""

    secret: Annotated[str, Field(pattern="^whsec_")]


class DeliveryLine(shapes.Shape):
    """One message to a webhook. `next_try_at`: null where it is not sent again; `status_code`: of the last answer."""

    id: int
    message_id: str
    event: str
    state: str
    tries: int
    created_at: shapes.Time
    next_try_at: str | None
    delivered_at: str | None
    status_code: int | None
    error: str
    body: str
