"""Settings become a language model, or a message that says what is missing; its key is in no error and no representation."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secrecon.app.language import language_of
from secrecon.app.settings import load_settings
from secrecon.model.errors import OperatorError
from secrecon.net.clock import SystemClock

KEY = "sk-never-shown-5150"


def test_no_model_is_no_model() -> None:
    assert language_of(load_settings(), SystemClock()) is None


def test_a_name_alone_needs_an_address() -> None:
    with pytest.raises(OperatorError, match="SECRECON_LLM_BASE_URL"):
        language_of(load_settings(llm_model="llama3:8b"), SystemClock())


@pytest.mark.parametrize(
    ("model", "base", "name"),
    [
        ("llama3:8b", "http://127.0.0.1:11434/v1", "llama3:8b"),
        ("openai:gpt-x", "", "gpt-x"),
        ("anthropic:claude-x", "http://127.0.0.1:9", "claude-x"),
    ],
)
def test_every_provider_is_made(model: str, base: str, name: str) -> None:
    settings = load_settings(llm_model=model, llm_base_url=base, llm_api_key=KEY, llm_seconds=7, llm_retries=0)
    made = language_of(settings, SystemClock())
    assert made is not None
    assert (made.name, made.limits.seconds, made.limits.retries) == (name, 7, 0)
    assert KEY not in repr(settings) + repr(made)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRECON_LLM_BASE_URL", "127.0.0.1:11434"),
        ("SECRECON_LLM_BASE_URL", "http://user@127.0.0.1/v1"),
        ("SECRECON_LLM_BASE_URL", "file:///etc/passwd"),
        ("SECRECON_LLM_MODEL", "openai:"),
        ("SECRECON_LLM_SECONDS", "0"),
        ("SECRECON_LLM_TOKENS_OUT", "many"),
        ("SECRECON_LLM_API_KEY", f"{KEY} "),
        ("SECRECON_OAST_TOKEN", f"{KEY}\n"),
    ],
)
def test_a_wrong_value_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(OperatorError, match=variable) as caught:
        load_settings()
    assert KEY not in str(caught.value)


def test_its_libraries_cost_nothing_where_no_model_is_configured() -> None:
    code = (
        "import sys, secrecon.app.server, secrecon.cli.scan;"
        " sys.exit(any(name in sys.modules for name in ('pydantic_ai', 'openai', 'anthropic', 'mcp', 'httpx2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
