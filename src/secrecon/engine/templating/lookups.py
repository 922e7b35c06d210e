"""The dns, ssl and tcp asks of templates, through the network. Failures are answers."""

from __future__ import annotations

from secrecon.net.network import Network
from secrecon.templates.execution.asks import DnsAnswer, DnsAsk, TcpAnswer, TcpAsk, TlsAnswer, TlsAsk, Trouble


async def dns(network: Network, ask: DnsAsk) -> DnsAnswer:
    """Look a name up."""
    return DnsAnswer(trouble=Trouble.INVALID, reason="dns is not asked yet")


async def tls(network: Network, ask: TlsAsk) -> TlsAnswer:
    """Shake hands."""
    return TlsAnswer(trouble=Trouble.INVALID, reason="ssl is not asked yet")


async def tcp(network: Network, ask: TcpAsk) -> TcpAnswer:
    """Hold a conversation."""
    return TcpAnswer(trouble=Trouble.INVALID, reason="tcp is not asked yet")
