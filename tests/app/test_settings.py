"""Settings: the documented table is the code's, and every wrong value is told with its variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from secrecon.app.settings import PREFIX, Settings, load_settings, server_address
from secrecon.model.errors import OperatorError

TABLE = Path(__file__).parents[2] / "docs" / "settings.md"


def shown(value: object) -> str:
    if value is None or value == () or value == "":
        return "(empty)"
    if isinstance(value, tuple):
        return f"`{' '.join(str(part) for part in value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_the_documented_table_is_the_code() -> None:
    rows = re.findall(r"^\| `(SECRECON_\w+)` \| (.*?) \| (.*?) \|$", TABLE.read_text("utf-8"), re.MULTILINE)
    code = [
        (PREFIX + name.upper(), shown(field.get_default()), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert rows == code


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRECON_OAST_HTTP_PORT", "70000"),
        ("SECRECON_OAST_HTTP_PORT", "http"),
        ("SECRECON_DATABASE_URL", "mysql://x"),
        ("SECRECON_WEB_PORTS", "80,0"),
        ("SECRECON_SERVICE_PORTS", "ssh"),
        ("SECRECON_SERVICE_PORTS", "22-1"),
        ("SECRECON_WEB_PORTS", "eighty"),
        ("SECRECON_DNS_SERVERS", "dns.example"),
        ("SECRECON_DNS_SERVERS", "127.0.0.1:x"),
        ("SECRECON_OAST_ADDRESS", "here"),
        ("SECRECON_SCOPE_ALLOW", "10.0.0.0/99"),
        ("SECRECON_BASE_URL", "scanner.example"),
        ("SECRECON_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("SECRECON_TRUSTED_PROXIES", "*"),
        ("SECRECON_METRICS", "maybe"),
        ("SECRECON_SCANS_AT_ONCE", "0"),
        ("SECRECON_REPORTS_NEED_KEY", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(OperatorError, match=variable) as caught:
        load_settings()
    assert "docs/settings.md" in str(caught.value)


def test_lists_are_split_at_commas_and_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRECON_SCOPE_ALLOW", "10.0.0.0/8, lab.test  ::1")
    monkeypatch.setenv("SECRECON_WEB_PORTS", "8080,8443")
    settings = load_settings()
    assert settings.scope_allow == ("10.0.0.0/8", "lab.test", "::1")
    assert settings.web_ports == (8080, 8443)


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRECON_DATA_DIR", "/from/environment")
    assert load_settings(data_dir=Path("/from/options")).data_dir == Path("/from/options")
    assert load_settings(data_dir=None).data_dir == Path("/from/environment")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_name_server_addresses(text: str, address: tuple[str, int]) -> None:
    assert server_address(text) == address
