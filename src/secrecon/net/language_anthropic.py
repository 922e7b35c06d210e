"""The wire of Anthropic's messages. Imported only where it is configured."""

from __future__ import annotations

import httpx2
from anthropic import AnthropicError, AsyncAnthropic
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from secrecon.net.language import LanguageAddress


class AnthropicWire:
    """Anthropic's API, or a server that speaks as it does."""

    broken = AnthropicError

    def model(self, address: LanguageAddress, client: httpx2.AsyncClient) -> Model:
        """As `Wire` says."""
        anthropic = AsyncAnthropic(
            api_key=address.key or "none", base_url=address.base_url, http_client=client, max_retries=0
        )
        return AnthropicModel(address.model, provider=AnthropicProvider(anthropic_client=anthropic))
