"""A worker brings feeds up to date in a process of its own, and looks things up again when the index has changed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.intel import madeup
from tests.net.feedhost import feed_host
from tests.service.test_retro import scanned

from secrecon.accounts.caller import Caller
from secrecon.app.feeds import Library
from secrecon.app.settings import Settings
from secrecon.intel.core import load_core
from secrecon.model.asset import Technology
from secrecon.service.context import Context
from secrecon.service.feeds import import_files, rebuild
from secrecon.service.feeds_state import FeedStore
from secrecon.service.inventory import list_findings
from secrecon.worker.feeds import FeedKeeper

SHOP = Technology("https://shop.acme.test", "shop", "1.0", "cpe:2.3:a:acme:shop", "header", 0.95)
NVD = madeup.nvd(madeup.cve("CVE-2026-1000", [madeup.node(madeup.match("a:acme:shop", endExcluding="2.0"))]))


async def test_a_new_index_is_held_against_what_was_seen_once(ctx: Context, ada: Caller, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = FeedStore(tmp_path)
    keeper = FeedKeeper(ctx, store, Library(settings, load_core()).current)
    await scanned(ctx, ada, SHOP)
    assert not await keeper.look()
    (tmp_path / "n.json").write_bytes(NVD)
    import_files(store, [tmp_path / "n.json"], ctx.clock.now())
    assert await keeper.look()
    assert "CVE-2026-1000" in {finding.cve_id for finding in (await list_findings(ctx, ada)).items}
    assert not await keeper.look()
    (tmp_path / "k.json").write_bytes(madeup.kev("CVE-2026-1000"))
    import_files(store, [tmp_path / "k.json"], ctx.clock.now())
    assert await keeper.look()
    assert {finding.kev_status for finding in (await list_findings(ctx, ada)).items if finding.cve_id} == {
        "Active_Exploit"
    }


async def test_an_index_that_cannot_be_read_is_told_and_made_anew_once(
    ctx: Context, ada: Caller, tmp_path: Path
) -> None:
    (tmp_path / "n.json").write_bytes(NVD)
    store = FeedStore(tmp_path)
    import_files(store, [tmp_path / "n.json"], ctx.clock.now())
    path = store.index_path(store.load())
    assert path is not None
    path.write_bytes(b"of another version")
    library = Library(Settings(data_dir=tmp_path), load_core())
    assert library.current().index is None
    assert any("alarm" in feed.note and feed.name == "index" for feed in library.feeds())
    made = tmp_path / "made"
    keeper = FeedKeeper(ctx, store, library.current, rebuild=["sh", "-c", f"echo again >> {made}"])
    await keeper.start()
    async with asyncio.timeout(20):
        while not made.exists() or made.read_text("utf-8") != "again\n":
            await asyncio.sleep(0.05)
    await keeper.stop()
    assert made.read_text("utf-8") == "again\n"
    again = store.index_path(rebuild(store, ctx.clock.now()))
    assert again is not None
    assert library.current().index is not None
    assert library.broken == ""


@pytest.mark.slow
async def test_feeds_are_fetched_in_a_process_of_their_own(
    ctx: Context, ada: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with feed_host() as host:
        host.files["/kev"] = madeup.kev("CVE-2026-1000")
        listed = tmp_path / "feeds.yaml"
        listed.write_text(f'- {{name: kev, kind: kev, url: "{host.url("/kev")}"}}\n', "utf-8")
        monkeypatch.setenv("SECRECON_FEEDS_FILE", str(listed))
        command = [
            sys.executable,
            "-P",
            "-m",
            "secrecon",
            "feeds",
            "sync",
            "--due",
            "--quiet",
            "--data-dir",
            str(tmp_path),
        ]
        store = FeedStore(tmp_path)
        keeper = FeedKeeper(ctx, store, Library(Settings(data_dir=tmp_path), load_core()).current, command)
        await keeper.start()
        async with asyncio.timeout(60):
            while not store.load().matched_with:
                await asyncio.sleep(0.1)
        await keeper.stop()
        assert store.load().entries["kev"].rows == 1
        assert len(host.asked) == 1
