"""Raw talk to a listener's sockets, and sessions with keys that cost no time to make."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl

from cryptography.hazmat.primitives.asymmetric import rsa

from secrecon.oast.sealing import open_item, public_key_text, unwrap

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PUBLIC = public_key_text(KEY.public_key())
TOKEN = "abcdefghij0123456789" + "nonce67890123"
CORRELATION, SECRET = TOKEN[:20], "0f5a52a3-3c3c-4c3c-8c3c-3c3c3c3c3c3c"


def opened(answer: bytes) -> list[dict[str, object]]:
    """The interactions of a poll's body."""
    found = json.loads(answer)
    key = unwrap(KEY, found["aes_key"])
    return [open_item(key, item) for item in found["data"] or []]


async def udp(port: int, packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, packet)
        async with asyncio.timeout(3):
            return await loop.sock_recv(sock, 4096)


async def tcp(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Everything that is answered to `data` until the other side closes."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname="cb.test" if tls else None
    )
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def call(port: int, path: str, body: dict[str, str] | None = None, token: str = "") -> tuple[int, bytes]:
    """One control call: (status, body)."""
    data = json.dumps(body).encode() if body is not None else b""
    head = f"POST {path} HTTP/1.1\r\nHost: cb.test\r\nConnection: close\r\nContent-Length: {len(data)}\r\n"
    head += f"Authorization: {token}\r\n" if token else ""
    answer = await tcp(port, head.encode() + b"\r\n" + data)
    status, _, rest = answer.partition(b" ")[2].partition(b" ")
    return int(status), rest.partition(b"\r\n\r\n")[2]


def registration(correlation: str = CORRELATION, secret: str = SECRET, key: str = PUBLIC) -> dict[str, str]:
    return {"public-key": key, "secret-key": secret, "correlation-id": correlation}
