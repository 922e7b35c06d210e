"""The callback server under load: `secrecon oast serve` as a process, thousands of sessions, every interaction counted.

Prints what the server's process used of a processor (user and system, all its threads), because wall time means little on a
shared machine. `interactions per CPU second` is what one core could take if it did nothing else. Every session is polled
at the end and every interaction must be there, once; then one session is flooded, slow clients and large bodies come, and the
hits of another session must still be there. Only loopback is contacted.

    python -P benchmarks/oast.py [--sessions 10000] [--interactions 50000] [--rate 5000]
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from secrecon.oast.sealing import open_item, public_key_text, unwrap

DOMAIN = "cb.test"
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PUBLIC = public_key_text(KEY.public_key())
SECRET = "0f5a52a3-3c3c-4c3c-8c3c-3c3c3c3c3c3c"
WINDOW = 64
BODIES = 1_000
CLIENTS = 50
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        datagram.bind(("127.0.0.1", stream.getsockname()[1]))
        port: int = stream.getsockname()[1]
        return port


class Server:
    """The process, and what it used."""

    def __init__(self, folder: Path) -> None:
        self.http, self.dns = free_port(), free_port()
        words = f"oast serve --domain {DOMAIN} --host 127.0.0.1 --http-port {self.http} --dns-port {self.dns}"
        command = [sys.executable, "-m", "secrecon", *words.split(), "--data-dir", str(folder / "data")]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
        clean |= {"SECRECON_OAST_RATE": "1000000", "SECRECON_LOG_LEVEL": "warning"}
        self._process = subprocess.Popen(command, env=clean)
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.http), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server did not start")

    def cpu(self) -> float:
        """Seconds of a processor used so far, by all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> tuple[int, int]:
        """Resident megabytes now and at most."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        return int(found["VmRSS"]) // 1024, int(found["VmHWM"]) // 1024

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


class Connection:
    """Control calls, one after the other on one connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sock: socket.socket | None = None

    def call(self, path: str, body: dict[str, str] | None = None) -> bytes:
        data = json.dumps(body).encode() if body is not None else b""
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        for _ in range(3):
            if self._sock is None:
                self._sock = socket.create_connection(("127.0.0.1", self._port), 60)
            try:
                self._sock.sendall(head + data)
                return self._read(self._sock)
            except OSError:
                self._sock = None
        raise SystemExit("the server does not answer")

    def _read(self, sock: socket.socket) -> bytes:
        buffer = bytearray()
        while b"\r\n\r\n" not in buffer:
            part = sock.recv(65_536)
            if not part:
                raise OSError("closed")
            buffer += part
        head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = bytearray(rest)
        while len(body) < size:
            body += sock.recv(262_144)
        if b"connection: close" in head.lower():
            sock.close()
            self._sock = None
        return bytes(body)


def word(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def query(token: str, number: int) -> bytes:
    name = b"".join(bytes((len(part),)) + part.encode() for part in (token, *DOMAIN.split(".")))
    return number.to_bytes(2, "big") + b"\x01\x00\x00\x01" + bytes(6) + name + b"\x00\x00\x01\x00\x01"


def lookups(port: int, tokens: list[str], rate: float) -> None:
    """Ask for every token once, some at a time, at most `rate` a second; an answer that does not come is an error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        began = time.monotonic()
        for start in range(0, len(tokens), WINDOW):
            some = tokens[start : start + WINDOW]
            for number, token in enumerate(some):
                sock.send(query(token, number))
            for _ in some:
                if not select.select([sock], [], [], 10)[0]:
                    raise SystemExit("an answer did not come")
                sock.recv(2_048)
            ahead = began + (start + len(some)) / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)


def fetches(port: int, tokens: list[str]) -> None:
    """Fetch every token's page, each on a connection of its own, eight at a time."""
    waiting = iter(tokens)
    open_: dict[int, socket.socket] = {}
    poller = select.poll()

    def next_() -> None:
        token = next(waiting, None)
        if token is None:
            return
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {token}.{DOMAIN}\r\n\r\n".encode())
        open_[sock.fileno()] = sock
        poller.register(sock, select.POLLIN)

    for _ in range(8):
        next_()
    while open_:
        for number, _ in poller.poll(10_000):
            sock = open_[number]
            if not sock.recv(65_536):
                poller.unregister(sock)
                open_.pop(number).close()
                next_()


def register(server: Server, count: int) -> list[str]:
    """As many clients at once as would start together; each registration is written down before it is answered."""
    ids = [word(20) for _ in range(count)]

    def some(mine: list[str]) -> None:
        line = Connection(server.http)
        for id_ in mine:
            wish = {"public-key": PUBLIC, "secret-key": SECRET, "correlation-id": id_}
            while b"successful" not in (answer := line.call("/register", wish)):
                if b"too many requests" not in answer:
                    raise SystemExit(answer)
                time.sleep(0.05)

    began, wall = server.cpu(), time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(some, ids[number::CLIENTS]) for number in range(CLIENTS)]:
            done.result()
    used, took = server.cpu() - began, time.monotonic() - wall
    print(f"sessions registered          {count:>10,}   {used * 1e6 / count:8.0f} us CPU each, {took:.1f} s wall")
    return ids


def fetch_all(server: Server, ids: list[str]) -> Counter[str]:
    """Every token that a poll of the sessions hands out, with how often."""
    line, found = Connection(server.http), Counter[str]()
    for id_ in ids:
        ack = "1"
        while True:
            answer = json.loads(line.call(f"/poll?id={id_}&secret={SECRET}&ack={ack}"))
            if answer["data"] is None:
                break
            key = unwrap(KEY, answer["aes_key"])
            found.update(str(open_item(key, item)["unique-id"]) for item in answer["data"])
            ack = answer["batch"]
    return found


def load(server: Server, ids: list[str], count: int, rate: float) -> None:
    tokens = [ids[number % len(ids)] + word(13) for number in range(count)]
    web = tokens[: count // 10]
    for name, some in (("HTTP interactions", web), ("DNS interactions", tokens[len(web) :])):
        began, wall = server.cpu(), time.monotonic()
        if some is web:
            fetches(server.http, some)
        else:
            lookups(server.dns, some, rate)
        used, took = server.cpu() - began, time.monotonic() - wall
        print(f"{name:<28} {len(some):>10,}   {len(some) / used:8,.0f} per CPU second, "
              f"{len(some) / took:,.0f} per second of wall time, {used / took:.0%} of a core")  # fmt: skip
    time.sleep(1.0)  # the last are written down
    began = server.cpu()
    found = fetch_all(server, ids)
    used = server.cpu() - began
    lost, twice = set(tokens) - set(found), [token for token, times in found.items() if times > 1]
    print(
        f"fetched by polls             {sum(found.values()):>10,}   {used * 1e6 / max(len(found), 1):8.0f} us CPU each"
    )
    print(
        f"lost {len(lost)}, delivered twice {len(twice)}, memory {server.memory()[0]} MB now, {server.memory()[1]} MB at most"
    )
    if lost:
        raise SystemExit("interactions were lost")


@contextmanager
def slow_clients(port: int, count: int) -> Iterator[None]:
    """Connections that say little and go on."""
    held = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(count)]
    for sock in held:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100000\r\nX: ")
    yield
    for sock in held:
        sock.close()


def flood(server: Server, ids: list[str], count: int) -> None:
    """One session is flooded with lookups of one payload and with large bodies, while slow clients hold connections."""
    victim, other = ids[0] + word(13), ids[1]
    body = base64.b64encode(secrets.token_bytes(60_000))
    head = f"POST / HTTP/1.1\r\nHost: {ids[0]}{word(13)}.{DOMAIN}\r\nContent-Length: 50000000\r\n\r\n".encode()
    mine = [other + word(13) for _ in range(200)]
    with slow_clients(server.http, 200):
        for _ in range(BODIES):
            with socket.create_connection(("127.0.0.1", server.http), 10) as sock:
                try:
                    sock.sendall(head + body)
                    sock.recv(100)
                except OSError:
                    continue
        for start in range(10):
            lookups(server.dns, [victim] * (count // 10), 1e9)
            lookups(server.dns, mine[start * 20 : start * 20 + 20], 1e9)
    found = fetch_all(server, [other])
    now, most = server.memory()
    print(f"flood: {count:,} lookups and {BODIES:,} large bodies on one session, 200 slow clients")
    print(
        f"of another session's 200 hits {sum(found[token] for token in mine)} are there; memory {now} MB now, {most} MB at most"
    )
    if any(found[token] != 1 for token in mine):
        raise SystemExit("a flood on one session cost another's hits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--interactions", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=5_000.0, help="lookups a second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            ids = register(server, given.sessions)
            load(server, ids, given.interactions, given.rate)
            flood(server, ids, given.interactions)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
