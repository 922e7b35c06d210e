"""`secrecon oast serve` as its users run it: a process, an independent client, a restart in between."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography import x509
from interactsh_mcp.client import InteractshClient
from tests.oast.authority import Authority

from secrecon.cli.local_server import free_port


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """(process, HTTP port, log) of a callback server that answers."""
    http, dns, log = free_port(), free_port(), folder / "log"
    words = ["--domain", "cb.test", "--host", "127.0.0.1", "--http-port", str(http), "--dns-port", str(dns)]
    command = [
        sys.executable,
        "-m",
        "secrecon",
        "oast",
        "serve",
        *words,
        "--data-dir",
        str(folder / "data"),
        *options,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=clean, stdout=output, stderr=output)
    try:
        for _ in range(300):
            assert process.poll() is None, log.read_text()
            try:
                httpx.get(f"http://127.0.0.1:{http}/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield process, http, log
    finally:
        process.terminate()
        process.wait(20)


async def test_a_session_outlives_the_process(tmp_path: Path) -> None:
    token = ("--token", "secret token")
    with serving(tmp_path, *token) as (process, port, _):
        client = InteractshClient(f"127.0.0.1:{port}", "secret token", scheme="http")
        await client.register()
        name = client.generate_payload().partition(".")[0]
        async with httpx.AsyncClient(trust_env=False) as target:
            page = await target.get(f"http://127.0.0.1:{port}/", headers={"Host": f"{name}.cb.test"})
        assert name[::-1] in page.text
        killed = InteractshClient(f"127.0.0.1:{port}", "secret token", scheme="http")
        await asyncio.sleep(0.5)
        await killed.register()
        process.kill()  # a registration that was answered is kept
    with serving(tmp_path, *token) as (_, port, log):
        client.server = f"127.0.0.1:{port}"
        (found,) = await client.poll()
        assert (found.unique_id, found.protocol) == (name, "http")
        stranger = InteractshClient(f"127.0.0.1:{port}", scheme="http")
        reply = await stranger._http.get(f"http://127.0.0.1:{port}/poll")
        assert reply.status_code == 401
        await stranger.aclose()
        killed.server = client.server
        assert await killed.poll() == []
        await killed.aclose()
        await client.aclose()
        assert "secret token" not in log.read_text()


def test_what_is_missing_or_taken_is_told_in_one_line(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
    for words, said in (
        ((), "--domain"),
        (("--domain", "cb.test", "--https-port", "0"), "certificate"),
        (("--domain", "cb.test", "--wildcard"), "token"),
        (("--domain", "cb.test", "--acme", "ftp://x"), "SECRECON_OAST_ACME"),
        (("--domain", "cb.test", "--cert", __file__), "SECRECON_OAST_KEY"),
        (("--domain", "cb.test", "--cert", __file__, "--key", __file__), "cannot be used"),
    ):
        command = [sys.executable, "-m", "secrecon", "oast", "serve", "--data-dir", str(tmp_path), *words]
        command += ["--http-port", "0", "--dns-port", "0"]
        done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_hangup_reads_the_certificate_again(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    options = ("--https-port", "0", "--cert", str(certificate[0]), "--key", str(certificate[1]))
    with serving(tmp_path, *options) as (process, _, log):
        process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if "read again" in log.read_text():
                break
            time.sleep(0.05)
        assert "read again" in log.read_text()
        assert process.poll() is None


async def test_a_certificate_is_asked_for_and_served(tmp_path: Path) -> None:
    https, dns = free_port(), free_port()
    with Authority(dns) as authority:
        options = ("--https-port", str(https), "--dns-port", str(dns), "--acme", authority.directory)
        with serving(tmp_path, *options) as (process, _, log):
            for _ in range(200):
                if "a new certificate is in use" in log.read_text():
                    break
                assert process.poll() is None
                await asyncio.sleep(0.1)
            shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", https))
    found = x509.load_pem_x509_certificate(shown.encode())
    assert found.issuer.rfc4514_string() == "CN=Test authority"
