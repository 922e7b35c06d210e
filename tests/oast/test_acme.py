"""A certificate from an authority that asks our own name server, over the real protocol on loopback."""

import asyncio
import stat
from pathlib import Path

import pytest
from cryptography import x509
from tests.oast.authority import Authority
from tests.oast.conftest import Book

from secrecon.model.errors import OperatorError
from secrecon.net.clock import SystemClock
from secrecon.oast import acme
from secrecon.oast.acme import AcmeCertificate, chain_file, key_file, prepare
from secrecon.oast.certificate import Certificate
from secrecon.oast.listener import Listener

DAY = 86_400.0


class Later(SystemClock):
    """The system's clock, moved."""

    def __init__(self, by: float = 0.0) -> None:
        self.by = by

    def now(self) -> float:
        return super().now() + self.by


def asking(
    authority: Authority, listener: Listener, folder: Path, changed: list[int], clock: Later
) -> AcmeCertificate:
    prepare(folder, "cb.test", clock.now())
    where = acme.Authority(authority.directory, "ada@example.com", timeout=5)
    return AcmeCertificate(where, listener.zone, folder, clock, lambda: changed.append(1))


def names(folder: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(chain_file(folder).read_bytes())
    shown = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(shown.get_values_for_type(x509.DNSName))


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_a_certificate_for_the_domain_and_all_in_it(listener: Listener, tmp_path: Path, book: Book) -> None:
    changed: list[int] = []
    clock = Later()
    with Authority(listener.dns_port) as authority:
        asks = asking(authority, listener, tmp_path, changed, clock)
        used = Certificate(chain_file(tmp_path), key_file(tmp_path))
        assert asks.due()
        await asks.renew()
        assert names(tmp_path) == {"cb.test", "*.cb.test"}
        assert used.look()  # key and certificate belong together
        assert changed == [1]
        assert not asks.due()
        assert listener.zone.found(b"\x0f_acme-challenge\x02cb\x04test\x00", 16) == ()
        assert modes(tmp_path) == {0o600}
        clock.by = 61 * DAY
        assert asks.due()
        await asks.renew()
        assert len(authority.accounts) == 1  # the account is kept
        assert len(authority.orders) == 2
    assert book.hits == []


async def test_a_failure_leaves_what_is_in_use_and_says_what_to_look_at(listener: Listener, tmp_path: Path) -> None:
    changed: list[int] = []
    with Authority(listener.dns_port) as authority:
        asks = asking(authority, listener, tmp_path, changed, Later())
        await asks.renew()
        before = chain_file(tmp_path).read_bytes()
        authority.broken = True
        with pytest.raises(OperatorError, match=r"no certificate for cb\.test.*port 53"):
            await asks.renew()
        authority.broken, authority.dns_port = False, 9
        with pytest.raises(OperatorError):
            await asks.renew()
    with pytest.raises(OperatorError):  # nobody there
        await asks.renew()
    assert chain_file(tmp_path).read_bytes() == before
    assert changed == [1]
    assert listener.zone.found(b"\x0f_acme-challenge\x02cb\x04test\x00", 16) == ()


async def test_it_is_tried_again_until_it_comes(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acme, "RETRY_LEAST", 0.05)
    changed: list[int] = []
    with Authority(listener.dns_port) as authority:
        authority.broken = True
        asks = asking(authority, listener, tmp_path, changed, Later())
        task = asyncio.create_task(asks.keep())
        await asyncio.sleep(0.3)
        assert changed == []
        authority.broken = False
        async with asyncio.timeout(10):
            while not changed:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not asks.due()


def test_a_certificate_of_another_domain_or_none_is_due(tmp_path: Path, listener: Listener) -> None:
    where = acme.Authority("http://127.0.0.1:9/directory")
    asks = AcmeCertificate(where, listener.zone, tmp_path, SystemClock(), lambda: None)
    assert asks.due()
    chain_file(tmp_path).write_text("not a certificate")
    assert asks.due()
