"""Our client against servers that are old, forgetful, hostile or merely wrong."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from secrecon.model.errors import OperatorError
from secrecon.net.clock import SystemClock
from secrecon.oast import client as module
from secrecon.oast.client import Gap, OastClient, ServerOptions
from secrecon.oast.sealing import load_public_key, seal, wrap

AES = bytes(range(32))
Reply = tuple[int, bytes]


class Fake:
    """A server whose answers the test writes. `asked`: method and path of each request."""

    def __init__(self) -> None:
        self.register: Callable[[], Reply] = lambda: (200, b'{"message":"registration successful"}')
        self.poll: Callable[[], Reply] = lambda: (200, json.dumps(self.batch()).encode())
        self.asked: list[str] = []
        self.wrapped = ""
        self.items: list[str] = []
        self.extra: list[str] = []
        self.more: dict[str, object] = {}
        self.port = 0

    def batch(self) -> dict[str, object]:
        return {"data": self.items or None, "extra": self.extra or None, "aes_key": self.wrapped, **self.more}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path = head.split(b" ")[:2]
        self.asked.append(f"{method.decode()} {path.decode()}")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        body = await reader.readexactly(size)
        if path == b"/register":
            status, answer = self.register()
            self.wrapped = wrap(load_public_key(json.loads(body)["public-key"]), AES)
        else:
            status, answer = self.poll() if path.startswith(b"/poll") else (200, b"{}")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode())
        writer.write(answer)
        writer.close()


@asynccontextmanager
async def talking(fake: Fake, clock: SystemClock | None = None) -> AsyncIterator[tuple[OastClient, list[Gap]]]:
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    gaps: list[Gap] = []
    options = ServerOptions(timeout=2.0)
    client = OastClient(
        f"http://127.0.0.1:{fake.port}", clock or SystemClock(), options, random.Random(1), on_gap=gaps.append
    )
    try:
        await client.start()
        yield client, gaps
    finally:
        await client.close()
        server.close()
        await server.wait_closed()


def item(token: str, protocol: str = "dns", **more: str) -> bytes:
    found = {"protocol": protocol, "unique-id": token, "full-id": token, "remote-address": "192.0.2.1:53", **more}
    return json.dumps(found).encode() + b"\n"


async def test_an_old_server_that_seals_in_cfb_is_read() -> None:
    fake = Fake()
    async with talking(fake) as (client, _):
        token = client.mint()[1]
        iv = bytes(range(16))
        old = iv + Cipher(algorithms.AES(AES), CFB(iv)).encryptor().update(item(token))
        fake.items = [base64.b64encode(old).decode(), seal(AES, bytes(16), item(token, "http"))]
        hits = await client.poll()
        assert [(hit.protocol, hit.token, hit.remote_address) for hit in hits] == [
            ("dns", token, "192.0.2.1"),
            ("http", token, "192.0.2.1"),
        ]
        assert await client.poll() == []  # the same items again are the same hits


async def test_what_the_shared_basket_holds_of_ours_is_read() -> None:
    fake = Fake()
    async with talking(fake) as (client, _):
        token = client.mint()[1]
        fake.extra = [
            json.dumps({"protocol": "ldap", "raw-request": f"Type=Search\nBaseDn={token.upper()}\n"}),
            json.dumps({"protocol": "ldap", "raw-request": "BaseDn=of somebody else"}),
            "not JSON",
        ]
        assert [(hit.protocol, hit.token) for hit in await client.poll()] == [("ldap", token)]


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"null", b'{"data": 1}', b'{"data": {"a": 1}}', b'{"aes_key": 1}', b"[" * 5_000],
)
async def test_an_answer_of_another_kind_is_told(answer: bytes) -> None:
    fake = Fake()
    async with talking(fake) as (client, gaps):
        fake.poll = lambda: (200, answer)
        with pytest.raises(OperatorError, match="something else than JSON"):
            await client.poll()
        assert gaps == []


@pytest.mark.parametrize("sealed", ["", "x", "AAAA", "é", seal(AES, bytes(16), b"[]"), seal(AES, bytes(16), b"no")])
async def test_an_item_that_cannot_be_read_does_not_cost_the_others(sealed: str) -> None:
    fake = Fake()
    async with talking(fake) as (client, _):
        token = client.mint()[1]
        fake.items = [sealed, seal(AES, bytes(16), item("z" * 5)), seal(AES, bytes(16), item(token))]
        assert [hit.token for hit in await client.poll()] == [token]


async def test_a_key_that_is_not_for_us_reads_nothing() -> None:
    fake = Fake()
    async with talking(fake) as (client, _):
        fake.items, fake.wrapped = (
            [seal(AES, bytes(16), item(client.mint()[1]))],
            base64.b64encode(bytes(256)).decode(),
        )
        assert await client.poll() == []


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPLY", 10_000)
    fake = Fake()
    async with talking(fake) as (client, _):
        fake.poll = lambda: (200, b" " * 20_000)
        with pytest.raises(OperatorError, match="more than 10000 bytes"):
            await client.poll()


@pytest.mark.parametrize("status", [401, 429, 500, 302])
async def test_a_refusal_is_told_and_is_no_eviction(status: int) -> None:
    fake = Fake()
    async with talking(fake) as (client, gaps):
        fake.poll = lambda: (status, b"")
        with pytest.raises(OperatorError, match=str(status)):
            await client.poll()
        assert gaps == []


async def test_an_id_that_is_taken_is_drawn_again() -> None:
    fake = Fake()
    answers = iter([(400, b'{"error":"could not set id and public key: correlation-id provided already exists"}')])
    fake.register = lambda: next(answers, (200, b'{"message":"registration successful"}'))
    async with talking(fake):
        assert fake.asked == ["POST /register"] * 2


async def test_a_refused_registration_says_what_to_check() -> None:
    fake = Fake()
    fake.register = lambda: (401, b"")
    with pytest.raises(OperatorError, match="SECRECON_OAST_TOKEN"):
        async with talking(fake):
            raise AssertionError("it was registered")


async def test_the_session_is_kept_alive_and_a_lost_one_noticed() -> None:
    class Moved(SystemClock):
        by = 0.0

        def now(self) -> float:
            return super().now() + self.by

    fake, clock = Fake(), Moved()
    taken = b'{"error":"could not set id and public key: correlation-id provided already exists"}'
    async with talking(fake, clock) as (client, gaps):
        fake.register = lambda: (400, taken)
        await client.poll()
        assert fake.asked.count("POST /register") == 1
        clock.by = 61.0
        await client.poll()
        await client.poll()
        assert fake.asked.count("POST /register") == 2
        assert gaps == []
        clock.by = 130.0
        fake.register = lambda: (200, b'{"message":"registration successful"}')
        await client.poll()
        assert [round(gap.until - gap.since) for gap in gaps] == [69]
