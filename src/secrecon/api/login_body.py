"""The `authentication` of a scan's request: its shape, for the API and for the file that the command line takes.

Strict: unknown fields and wrong types are refused by name, and no error repeats a value. What the parts mean, and where
they may point, is judged by `model.login`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from secrecon.model.login import (
    MAX_COOKIES,
    MAX_FIELDS,
    MAX_HEADERS,
    MAX_HOSTS,
    MAX_TEXT,
    MAX_VALUE,
    FormLogin,
    Login,
)

_Secret = Annotated[str, Field(min_length=1, max_length=MAX_VALUE, json_schema_extra={"writeOnly": True})]
_Place = Annotated[str, Field(min_length=1, max_length=2048)]


class FormBody(BaseModel):
    """A log-in form of the target: it is fetched, filled and sent as a browser would, hidden fields included."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    url: Annotated[_Place, Field(description="The page that the form is on, as a path or a URL of the target.")]
    fields: Annotated[
        dict[str, _Secret],
        Field(
            min_length=1, max_length=MAX_FIELDS, description="What is typed into which field, by the field's name."
        ),
    ]


class LoginBody(BaseModel):
    """What the scan logs in with. It is stored sealed for as long as the scan runs, sent to the target's own hosts only,
    and shown nowhere."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    headers: Annotated[
        dict[str, _Secret], Field(max_length=MAX_HEADERS, description="Headers to send, by name.")
    ] = Field(default_factory=dict)
    cookies: Annotated[
        dict[str, _Secret], Field(max_length=MAX_COOKIES, description="Cookies to send, by name.")
    ] = Field(default_factory=dict)
    bearer: Annotated[_Secret | None, Field(description="A token for `Authorization: Bearer`.")] = None
    form: FormBody | None = None
    check_url: Annotated[
        _Place | None,
        Field(description="A page that tells whether one is logged in; else the page where the scan begins."),
    ] = None
    check_text: Annotated[
        str | None,
        Field(
            min_length=1, max_length=MAX_TEXT, description="What only a user who is logged in sees on that page."
        ),
    ] = None
    hosts: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=253)]],
        Field(
            max_length=MAX_HOSTS,
            description="Further hosts of the target that the credentials may be sent to, by https.",
        ),
    ] = Field(default_factory=list)

    def login(self) -> Login:
        """As the service takes it."""
        headers = tuple(self.headers.items())
        if self.bearer is not None:
            headers = (
                *(h for h in headers if h[0].lower() != "authorization"),
                ("Authorization", f"Bearer {self.bearer}"),
            )
        form = FormLogin(self.form.url, tuple(self.form.fields.items())) if self.form is not None else None
        cookies = tuple(self.cookies.items())
        return Login(headers, cookies, form, self.check_url or "", self.check_text or "", tuple(self.hosts))
