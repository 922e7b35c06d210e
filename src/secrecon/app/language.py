"""The configured language model, or none. The libraries for it are large: they are imported here, and only where needed."""

from __future__ import annotations

import importlib
import logging

from secrecon.app.settings import Settings
from secrecon.model.errors import OperatorError
from secrecon.model.language import Language, LanguageLimits
from secrecon.net.clock import Clock

HOMES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_LOUD = ("openai", "anthropic", "httpx2", "httpcore2")
"""Libraries that log prompts at their lowest level."""


def language_of(settings: Settings, clock: Clock) -> Language | None:
    """The model that the settings name, None where they name none. Raises OperatorError where its address is missing."""
    if not settings.llm_model:
        return None
    provider, model = _split(settings.llm_model)
    base_url = settings.llm_base_url or HOMES.get(provider, "")
    if not base_url:
        raise OperatorError(
            f"SECRECON_LLM_MODEL names {model!r} without a provider: write openai:{model} or anthropic:{model}, or say with"
            " SECRECON_LLM_BASE_URL where it is served, such as http://127.0.0.1:11434/v1"
        )
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    language = importlib.import_module("secrecon.net.language")
    if provider == "anthropic":
        wire = importlib.import_module("secrecon.net.language_anthropic").AnthropicWire()
    else:
        own = provider != "openai" or base_url != HOMES["openai"]
        wire = importlib.import_module("secrecon.net.language_openai").OpenAiWire(compatible=own)
    address = language.LanguageAddress(model, base_url, settings.llm_api_key)
    limits = LanguageLimits(
        seconds=settings.llm_seconds,
        tokens_in=settings.llm_tokens_in,
        tokens_out=settings.llm_tokens_out,
        retries=settings.llm_retries,
    )
    made: Language = language.LanguageModel(wire, address, limits, clock)
    return made


def _split(text: str) -> tuple[str, str]:
    """`openai:gpt-x` as ("openai", "gpt-x"); a name without one of our providers is whole, as `llama3:8b` is one."""
    provider, colon, name = text.partition(":")
    return (provider, name) if colon and provider in HOMES else ("", text)
