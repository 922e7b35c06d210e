"""The dns, ssl and tcp asks of templates, through the network. Failures are answers."""

from __future__ import annotations

from secrecon.engine.templating.troubles import trouble_of
from secrecon.model.errors import BadInput, BudgetSpent, ScopeRefused, TargetError
from secrecon.net.network import Network
from secrecon.net.talk import Say
from secrecon.templates.execution.asks import DnsAnswer, DnsAsk, TcpAnswer, TcpAsk, TlsAnswer, TlsAsk

_EXPECTED = (TargetError, ScopeRefused, BudgetSpent, BadInput)


async def dns(network: Network, ask: DnsAsk) -> DnsAnswer:
    """Look a name up with the scan's resolver."""
    try:
        told = await network.message(ask.name, ask.type, ask.class_, recursion=ask.recursion)
    except _EXPECTED as error:
        return DnsAnswer(trouble=trouble_of(error), reason=str(error))
    sections = {name: text for name, text in told.items() if name not in ("rcode", "server")}
    return DnsAnswer(int(told["rcode"]), sections, told["server"].decode())


async def tls(network: Network, ask: TlsAsk) -> TlsAnswer:
    """Shake hands."""
    try:
        facts = await network.shake(ask.host, ask.port, ask.sni, (ask.min_version, ask.max_version))
    except _EXPECTED as error:
        return TlsAnswer(trouble=trouble_of(error), reason=str(error))
    return TlsAnswer(facts.facts, facts.document, facts.address)


async def tcp(network: Network, ask: TcpAsk) -> TcpAnswer:
    """Hold a conversation."""
    steps = [Say(step.data, step.read) for step in ask.steps]
    try:
        said = await network.converse(ask.host, ask.port, steps, ask.read, tls=ask.tls, every=ask.read_all)
    except _EXPECTED as error:
        return TcpAnswer(trouble=trouble_of(error), reason=str(error))
    return TcpAnswer(said.reads, said.rest, said.address)
