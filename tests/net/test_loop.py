"""A target's broken TLS is not logged as an error of ours; everything else still is."""

from __future__ import annotations

import asyncio
import logging

import pytest

from secrecon.net.loop import prepare_loop


async def test_only_handshake_reports_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    prepare_loop()
    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.ERROR):
        loop.call_exception_handler({"message": "SSL handshake failed\nprotocol: x"})
        assert caplog.records == []
        loop.call_exception_handler({"message": "Task exception was never retrieved"})
        assert "never retrieved" in caplog.text
