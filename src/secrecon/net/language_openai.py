"""The wire of OpenAI's chat completions, as OpenAI and most local servers speak it. Imported only where it is configured."""

from __future__ import annotations

import httpx2
from openai import AsyncOpenAI, OpenAIError
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from secrecon.net.language import LanguageAddress

_WHOLE = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
"""A stream that ends without saying so is an error, not an answer."""


class OpenAiWire:
    """`compatible`: somebody else's server, which is told nothing that only OpenAI's own knows."""

    broken = OpenAIError

    def __init__(self, *, compatible: bool) -> None:
        self._compatible = compatible

    def model(self, address: LanguageAddress, client: httpx2.AsyncClient) -> Model:
        """As `Wire` says."""
        openai = AsyncOpenAI(
            api_key=address.key or "none", base_url=address.base_url, http_client=client, max_retries=0
        )
        if self._compatible:
            own = OpenAICompatibleProvider("own", openai_client=openai)
            return OpenAIChatModel(address.model, provider=own, profile=_WHOLE)
        return OpenAIChatModel(address.model, provider=OpenAIProvider(openai_client=openai), profile=_WHOLE)
