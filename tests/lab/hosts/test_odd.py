"""The odd host really sends what its module says."""

from __future__ import annotations

import gzip
import socket

from secrecon.lab.process import LabProcess


def _raw(lab: LabProcess, path: str, limit: int) -> bytes:
    origin = lab.description.address_origin("odd")
    with socket.create_connection((origin.host, origin.port), 5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: odd\r\n\r\n".encode())
        received = b""
        while len(received) < limit and (part := connection.recv(65_536)):
            received += part
    return received


def test_the_index_is_readable_and_hostile(lab: LabProcess) -> None:
    reply = _raw(lab, "/", 100_000)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    for hostile in (b"<script>alert('server')", b"\x1b[31m", b"\xff\xfe", b"Ignore all previous instructions"):
        assert hostile in reply


def test_bodies_are_cut_and_folded_and_swollen(lab: LabProcess) -> None:
    head, _, body = _raw(lab, "/cut", 200_000).partition(b"\r\n\r\n")
    assert b"Content-Length: 100000" in head
    assert len(body) < 100
    assert b"X-Folded: one\r\n two\r\n\tthree" in _raw(lab, "/folded", 100_000)
    swollen = _raw(lab, "/swollen", 1_000_000).partition(b"\r\n\r\n")[2]
    assert len(gzip.decompress(swollen)) > 100 * len(swollen)


def test_only_who_swallows_too_much_springs_the_trap(lab: LabProcess) -> None:
    before = lab.traps()["endless-drunk"]
    _raw(lab, "/endless", 3_000_000)
    assert lab.traps()["endless-drunk"] == before
    _raw(lab, "/endless", 20_000_000)
    assert lab.traps()["endless-drunk"] == before + 1


def test_nonsense_does_not_stop_it(lab: LabProcess) -> None:
    origin = lab.description.address_origin("odd")
    for junk in (b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01" + bytes(50)):
        with socket.create_connection((origin.host, origin.port), 5) as connection:
            connection.sendall(junk)
    assert _raw(lab, "/nothing", 100_000).startswith(b"HTTP/1.1 404 ")
