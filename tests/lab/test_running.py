"""The lab inside this process, and its control door."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from secrecon.lab.addresses import claim_block, listen_everywhere
from secrecon.lab.running import running_lab
from secrecon.model.errors import BadInput, OperatorError


class Listening(Protocol):
    """The parts of the callback listener that are used here."""

    dns_port: int

    def url(self, token: str, path: str = "/hit") -> str: ...
    def requested(self, token: str) -> bool: ...


async def test_it_tells_where_everything_is(tmp_path: Path) -> None:
    async with running_lab(tmp_path) as lab:
        block = ipaddress.ip_network(lab.allow)
        assert all(ipaddress.ip_address(a) in block for a in lab.description.addresses.values())
        assert str(lab.origin("fetch")) == f"http://fetch.acme.test:{lab.http_port}"
        assert str(lab.origin("")) == f"http://acme.test:{lab.http_port}"
        assert str(lab.origin("tls-good.acme.test")) == f"https://tls-good.acme.test:{lab.tls_port}"
        assert (lab.domain, lab.truth.names[lab.description.addresses["www.acme.test"]]) == (
            "acme.test",
            "www.acme.test",
        )
        with pytest.raises(OperatorError, match="no host"):
            lab.origin("nobody")


async def test_the_truth_names_only_hosts_that_exist(tmp_path: Path) -> None:
    async with running_lab(tmp_path) as lab:
        known = set(lab.description.addresses) | {"old-campaign.acme.test"}  # an alias that leads nowhere
        named = {e.host for e in lab.truth.expected} | {t.host for t in lab.truth.twins}
        named |= {t.twin_of for t in lab.truth.twins} | {p.host for p in lab.truth.products}
        named |= {t.host for t in lab.truth.tolerated if t.host}
        assert named <= known
        for expected in lab.truth.expected:
            assert not expected.scheme or expected.scheme == lab.origin(expected.host).scheme


async def test_the_callback_server_can_be_set_while_it_runs(tmp_path: Path, catcher: Listening) -> None:
    async with running_lab(tmp_path) as lab, httpx.AsyncClient(trust_env=False) as http:
        fetch = f"{lab.description.address_origin('fetch')}/fetch"
        assert lab.callback_dns is None
        await http.get(fetch, params={"url": catcher.url("early")})
        lab.callback_dns = ("127.0.0.1", catcher.dns_port)
        await http.get(fetch, params={"url": catcher.url("later")})
        assert (catcher.requested("early"), catcher.requested("later")) == (False, True)
        with pytest.raises(BadInput):
            lab.callback_dns = ("192.0.2.1", 53)


async def test_the_control_door(tmp_path: Path) -> None:
    async with running_lab(tmp_path) as lab, httpx.AsyncClient(trust_env=False) as http:
        door = f"http://127.0.0.1:{lab.description.control_port}"
        assert (await http.get(f"{door}/traps")).json() == lab.traps
        assert (await http.get(f"{door}/lab")).text == lab.description.to_json()
        assert (await http.get(f"{door}/nothing")).status_code == 404
        for bad in (b"", b"[]", b"{}", b'{"host":"8.8.8.8","port":53}', b'{"host":"127.0.0.1","port":true}'):
            assert (await http.post(f"{door}/callback-dns", content=bad)).status_code == 400
        good = await http.post(f"{door}/callback-dns", json={"host": "127.0.0.1", "port": 5})
        assert (good.json(), lab.callback_dns) == ({"callback_dns": ["127.0.0.1", 5]}, ("127.0.0.1", 5))


async def test_blocks_are_given_back(tmp_path: Path) -> None:
    async with running_lab(tmp_path) as lab:
        held = lab.allow
        other = claim_block()
        other.claim.close()
        assert other.cidr != held


def test_a_port_taken_on_one_address_is_taken_for_all() -> None:
    taken, first = listen_everywhere(["127.0.0.1"], ())
    port, second = listen_everywhere(["127.0.0.2", "127.0.0.1"], [taken])
    for listener in (*first, *second):
        listener.close()
    assert port != taken
