"""Settings: environment variables with the prefix SECRECON_, checked once at start.

docs/settings.md holds the one table of them; a test compares it with this class. A bad value is an OperatorError that
names the variable, the value's problem and what is expected. Nothing here opens a file or a socket.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from secrecon.detect.service_rules import DEFAULT_PORTS, choose_ports
from secrecon.engine.phases.probe import WEB_PORTS
from secrecon.model.errors import BadInput, OperatorError
from secrecon.model.scan import FULL_BUDGET, QUICK_BUDGET, Budget, ScanMode
from secrecon.net.gate import AllowList

PREFIX = "SECRECON_"
Words = Annotated[tuple[str, ...], NoDecode]
Port = Annotated[int | None, Field(ge=0, le=65535)]
Ports = Annotated[tuple[int, ...], NoDecode]


class Settings(BaseSettings):
    """Every setting with its default. The docstring of each field is its line in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    data_dir: Path = Field(Path("secrecon-data"), description="Folder of the database, the lock file and reports.")
    database_url: str = Field(
        "", description="PostgreSQL as postgresql+asyncpg://user:password@host/name; empty: SQLite in the data dir."
    )
    secret_key_file: Path | None = Field(
        None,
        description="File with the key that seals stored secrets, made where it is missing; empty: secret.key in the"
        " data dir. Machines that share a database share its content.",
    )
    scope_allow: Words = Field(
        (),
        description="Names, addresses and CIDR blocks that may be scanned although they are private or local.",
    )
    rate: float = Field(
        50.0, gt=0, le=10_000, description="Requests a second that a scan sends to one host at most."
    )
    base_url: str = Field("", description="The address users reach the server at; https makes cookies Secure.")
    trusted_proxies: Words = Field(
        (),
        description="Addresses and CIDR blocks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    )
    dns_servers: Words = Field((), description="Name servers as address or address:port; empty: the system's.")
    dns_rate: float = Field(
        1_000.0,
        ge=1,
        le=100_000,
        description="Questions a second that a search for names puts to each name server.",
    )
    name_sources: Words = Field(
        (),
        description="Passive sources of names that full scans ask, as id or id=key; they learn the domain. Empty: none.",
    )
    name_sources_file: Path | None = Field(
        None,
        description="YAML file that replaces the shipped list of name sources; format: rules/names/sources.yaml.",
    )
    web_ports: Ports = Field(WEB_PORTS, description="Ports that a full scan of a bare name tries on every host.")
    service_ports: str = Field(
        DEFAULT_PORTS,
        description="Ports that the port scan of a full scan tries: top:N or all of our list, none, or numbers and ranges.",
    )
    nmap_probes: str = Field(
        "auto",
        description="nmap's file of probes, whose patterns help to name services: auto (where it is installed), off, or a path.",
    )
    chromium: Path | None = Field(
        None, description="Chromium that `secrecon scan --browser` renders pages with; empty: the one on the PATH."
    )
    chromium_sandbox: bool = Field(
        True,
        description="False: Chromium runs without its own sandbox, as it must for root; only where something else isolates it.",
    )
    tls_ca: Path | None = Field(
        None, description="PEM file of certificate authorities to trust beside the system's."
    )
    oast_host: str = Field("127.0.0.1", description="Address that the callback listener binds.")
    oast_http_port: int = Field(8880, ge=0, le=65535, description="Port of the callback listener's HTTP side.")
    oast_dns_port: int = Field(8853, ge=0, le=65535, description="Port of the callback listener's DNS side.")
    oast_https_port: Port = Field(None, description="Port of its HTTPS side; empty: not served.")
    oast_smtp_port: Port = Field(None, description="Port of its SMTP side; empty: not served.")
    oast_ldap_port: Port = Field(None, description="Port of its LDAP side; empty: not served.")
    oast_cert: Path | None = Field(
        None, description="PEM file of its certificate chain, read again when it changes and at SIGHUP."
    )
    oast_key: Path | None = Field(None, description="PEM file of the key to that certificate.")
    oast_acme: str = Field(
        "", description="Directory of an ACME authority that issues that certificate, its terms being agreed to."
    )
    oast_acme_email: str = Field("", description="Address that the authority may write to.")
    oast_rate: int = Field(10_000, ge=1, description="Queries and connections a second that one address may make.")
    oast_wildcard: bool = Field(
        False, description="True: clients that hold the token are shown everything that reaches the domain."
    )
    oast_dynamic: bool = Field(
        False, description="True: clients of the callback server may write the answers to their payloads."
    )
    oast_domain: str = Field("", description="Domain delegated to the callback listener; empty: addresses only.")
    oast_address: str = Field(
        "", description="Address that targets reach the listener at; empty: SECRECON_OAST_HOST."
    )
    oast_server: str = Field(
        "", description="Interactsh-compatible server to use in place of a listener of our own, as https://NAME."
    )
    oast_token: str = Field(
        "",
        description="Token that clients of our callback server must show, or that we show to SECRECON_OAST_SERVER.",
    )
    templates: Path | None = Field(
        None, description="Directory of templates that full scans run beside those that ship with SecRecon."
    )
    template_keys: Words = Field(
        (),
        description="PEM files of public keys or certificates (P-256) whose signatures on templates are believed.",
    )
    require_signed: bool = Field(
        False,
        description="True: only templates signed by one of SECRECON_TEMPLATE_KEYS run, and those that ship with SecRecon.",
    )
    cache_dir: Path | None = Field(
        None, description="Folder for what can be made again, such as compiled templates; empty: in the data dir."
    )
    feeds_file: Path | None = Field(
        None, description="YAML file that replaces the shipped list of feeds; format: rules/feeds.yaml."
    )
    feeds_refresh: bool = Field(
        False, description="True: workers fetch feeds that are due by themselves; else `secrecon feeds sync` does."
    )
    feed_keys: Words = Field(
        (), description="Keys of feed providers as name=key, such as nvd=...; they raise the pace that is allowed."
    )
    llm_model: str = Field(
        "",
        description="Language model as openai:NAME, anthropic:NAME, or NAME at SECRECON_LLM_BASE_URL; empty: none.",
    )
    llm_base_url: str = Field(
        "", description="Address of the model's API, the only one it is asked at; empty: the provider's own."
    )
    llm_api_key: str = Field("", repr=False, description="Key of that API; empty where it needs none.")
    llm_seconds: float = Field(
        60.0, gt=0, le=600, description="Seconds that one question to the model may take, tries again included."
    )
    llm_tokens_in: int = Field(12_000, ge=1_000, description="Most tokens that one question may send (guessed).")
    llm_tokens_out: int = Field(1_500, ge=100, description="Most tokens that one answer may have.")
    llm_retries: int = Field(1, ge=0, le=5, description="How often a failure that may pass is tried again.")
    llm_questions: int = Field(60, ge=1, description="Questions that one account may ask the assistant in an hour.")
    scans_at_once: int = Field(
        2,
        ge=1,
        le=64,
        description="How many scans one worker process runs at a time. Retests of single findings come on top, two at most.",
    )
    reports_need_key: bool = Field(
        False, description="True: no report can be read by its link alone, not even one started through the API."
    )
    webhook_allow: Words = Field(
        (),
        description="Names, addresses and CIDR blocks that webhooks may reach although they are private or without https.",
    )
    plans_file: Path | None = Field(None, description="YAML file that replaces or adds plans.")
    metrics: Literal["off", "open"] = Field("off", description="Whether /metrics answers: off or open.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Log lines for people (text) or machines (json)."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe level logged."
    )

    @property
    def budgets(self) -> Mapping[ScanMode, Budget]:
        """What a scan of each mode may use, at the pace that is set."""
        return {
            ScanMode.QUICK: replace(QUICK_BUDGET, rate=self.rate),
            ScanMode.FULL: replace(FULL_BUDGET, rate=self.rate),
        }

    @property
    def template_cache(self) -> Path | None:
        """Where compiled templates are kept; None where there is no data dir yet, as no folder is made for them alone."""
        folder = self.cache_dir or (self.data_dir / "cache" if self.data_dir.is_dir() else None)
        return folder / "templates" if folder is not None else None

    @field_validator(
        "scope_allow",
        "webhook_allow",
        "trusted_proxies",
        "dns_servers",
        "name_sources",
        "feed_keys",
        "template_keys",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("oast_https_port", "oast_smtp_port", "oast_ldap_port", "oast_cert", "oast_key", mode="before")
    @classmethod
    def _absent(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("oast_token")
    @classmethod
    def _token(cls, value: str) -> str:
        if not value.isprintable() or not value.isascii() or value != value.strip():
            raise ValueError("must be printable ASCII without blanks at its ends, as it travels in a header")
        return value

    @field_validator("web_ports", mode="before")
    @classmethod
    def _split_ports(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ports = tuple(int(word) for word in value.replace(",", " ").split())
        if not ports or any(not 0 < port < 65536 for port in ports):
            raise ValueError("ports must be numbers from 1 to 65535")
        return ports

    @field_validator("service_ports")
    @classmethod
    def _services(cls, value: str) -> str:
        try:
            choose_ports(value, [])
        except BadInput as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            ipaddress.ip_network(proxy)
        return value

    @field_validator("oast_host", "oast_address")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            ipaddress.ip_address(value)
        return value

    @field_validator("dns_servers")
    @classmethod
    def _servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for server in value:
            server_address(server)
        return value

    @field_validator("feed_keys")
    @classmethod
    def _keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("=" not in pair for pair in value):
            raise ValueError("each must be name=key")
        return value

    @field_validator("scope_allow", "webhook_allow")
    @classmethod
    def _allow(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            AllowList(value)
        except BadInput as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if value and not value.startswith(("postgresql+asyncpg://", "sqlite+aiosqlite:///")):
            raise ValueError("must begin with postgresql+asyncpg:// (or be empty for SQLite)")
        return value

    @field_validator("oast_acme")
    @classmethod
    def _directory(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://127.", "http://localhost:", "http://[::1]")):
            raise ValueError("must be an https URL, such as https://acme-v02.api.letsencrypt.org/directory")
        return value

    @field_validator("oast_server")
    @classmethod
    def _server(cls, value: str) -> str:
        return server_url(value)

    @field_validator("llm_base_url")
    @classmethod
    def _model_server(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username):
            raise ValueError(
                "must begin with http:// or https:// and name a server, such as http://127.0.0.1:11434/v1"
            )
        return value.rstrip("/")

    @field_validator("llm_model")
    @classmethod
    def _model(cls, value: str) -> str:
        if len(value) > 200 or not value.isprintable() or value != value.strip() or value.endswith(":"):
            raise ValueError("must be openai:NAME, anthropic:NAME or NAME")
        return value

    @field_validator("llm_api_key")
    @classmethod
    def _model_key(cls, value: str) -> str:
        if not value.isprintable() or not value.isascii() or value != value.strip():
            raise ValueError("must be printable ASCII without blanks at its ends, as it travels in a header")
        return value

    @field_validator("base_url")
    @classmethod
    def _base(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")


def server_url(text: str) -> str:
    """A callback server's URL, https where no scheme is given; "" stays. Raises ValueError."""
    if not text:
        return ""
    named = text if "://" in text else f"https://{text}"
    parts = urlsplit(named)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("must be https://NAME or http://NAME, with a port where it is not the usual one")
    return named.rstrip("/").lower()


def server_address(text: str) -> tuple[str, int]:
    """`127.0.0.1`, `127.0.0.1:5353`, `::1` or `[::1]:5353` as (address, port). Raises ValueError."""
    host, port = text, 53
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = int(rest.lstrip(":") or 53)
    elif text.count(":") == 1:
        host, _, digits = text.partition(":")
        port = int(digits)
    return str(ipaddress.ip_address(host)), port


def _shown(name: str, value: object) -> str:
    """A wrong value as an error may show it: secrets by their length alone."""
    text = str(value)
    return f"{len(text)} characters" if name.endswith(("_key", "_keys", "_token")) else repr(text[:80])


def load_settings(**overrides: object) -> Settings:
    """The settings from the environment, with `overrides` (from the command line) on top; None means not given.

    Raises OperatorError naming each variable that is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"{PREFIX}{'_'.join(str(part) for part in problem['loc'][:1]).upper()}: {problem['msg']}"
            f" (got {_shown(str(problem['loc'][0]), problem['input'])})"
            for problem in error.errors()
        ]
        raise OperatorError(
            "these settings are wrong:\n  " + "\n  ".join(lines) + "\nsee docs/settings.md for what each expects"
        ) from error
