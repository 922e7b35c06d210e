"""A bundle is the account's alone, signed with the installation's own key, and `secrecon verify` reads it."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.service.test_triage import scan

from secrecon.accounts.caller import Caller
from secrecon.accounts.vault import fresh_vault
from secrecon.cli.main import cli
from secrecon.model.errors import BadInput, Conflict, Forbidden, NotFound
from secrecon.report.proof import check_bundle
from secrecon.service.answers import ScanRequest
from secrecon.service.context import Context
from secrecon.service.proof import public_key, read_bundle
from secrecon.service.scans import submit_scan


async def test_a_finished_scan_is_proven(ctx: Context, ada: Caller, tmp_path: Path) -> None:
    accepted = await scan(ctx, ada)
    content, name = await read_bundle(ctx, accepted.db_scan_id, ada, "here")
    assert name == f"secrecon-shop.acme.test-{accepted.db_scan_id}.bundle.zip"
    proof = check_bundle(io.BytesIO(content), len(content), public_key(ctx))
    assert proof.good
    assert (proof.scan_id, proof.events > 5) == (accepted.scan_id, True)
    assert proof.allowed_by == f"{ada.via}:{ada.email}"
    assert (content, name) == await read_bundle(ctx, accepted.db_scan_id, ada, "here"), "the same bytes each time"
    file = tmp_path / name
    file.write_bytes(content)
    good = CliRunner().invoke(cli, ["verify", str(file), "--key", public_key(ctx)])
    assert (good.exit_code, "unbroken chain" in good.output) == (0, True)
    assert "the file cannot prove" in CliRunner().invoke(cli, ["verify", str(file)]).output
    key_file = tmp_path / "key"
    key_file.write_text(public_key(dataclasses.replace(ctx, vault=fresh_vault())) + "\n")
    other = CliRunner().invoke(cli, ["verify", str(file), "--key", str(key_file)])
    assert (other.exit_code, "not by the key that was asked for" in other.output) == (1, True)
    file.write_bytes(content[:-1])
    assert isinstance(CliRunner().invoke(cli, ["verify", str(file)]).exception, BadInput)
    for wrong in (["verify", str(tmp_path / "none.zip")], ["verify", str(file), "--key", "abc"]):
        assert isinstance(CliRunner().invoke(cli, wrong).exception, BadInput)


async def test_nobody_else_gets_it(ctx: Context, ada: Caller, bob: Caller) -> None:
    private = await scan(ctx, ada)
    with pytest.raises(NotFound):
        await read_bundle(ctx, private.db_scan_id, bob, "there")
    linked = await submit_scan(ctx, ada, ScanRequest("https://shop.acme.test", via_api=True))
    with pytest.raises(Conflict, match="has not ended"):
        await read_bundle(ctx, linked.db_scan_id, ada, "here")
    for reader in (None, bob):
        with pytest.raises(Forbidden, match="needs a key or a session of its account"):
            await read_bundle(ctx, linked.db_scan_id, reader, "there")
