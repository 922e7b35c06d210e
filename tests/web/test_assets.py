"""The assets pages: filters in the address, notes, changes, and a surface that stays readable with thousands of assets."""

from __future__ import annotations

import re

from tests.web.conftest import HOSTILE, Browser, NoisyEngine, finished_scan

from secrecon.accounts.caller import Caller
from secrecon.model.asset import Asset, AssetType, Resolution, Service, Technology
from secrecon.model.target import Origin
from secrecon.service.context import Context
from secrecon.service.inventory import list_assets
from secrecon.service.surface import Hidden, Surface, SurfaceNode
from secrecon.web.surface_picture import draw, grow, shorten

PAGES = ("/assets", "/assets/changes", "/assets/surface")


def crowd(many: int) -> tuple[Asset, ...]:
    return tuple(Asset(AssetType.SUBDOMAIN, f"h{n}.shop.acme.test", "dns", "shop.acme.test") for n in range(many))


async def test_empty_pages_say_what_will_come(browser: Browser, ada: Caller) -> None:
    await browser.sign_in()
    for path in PAGES:
        page = await browser.page(path)
        assert "yet" in page.words, path
        assert "New scan" in page.words, path


async def test_the_filter_is_in_the_address_and_goes_on_to_the_next_page(
    browser: Browser, ctx: Context, ada: Caller, engine: NoisyEngine
) -> None:
    engine.facts = crowd(60)
    await finished_scan(ctx, ada)
    await browser.sign_in()
    reply = await browser.get("/assets?type=subdomain&q=h&gone=false")
    (address,) = re.findall(r'href="(/assets\?[^"]*cursor=[^"]*)"', reply.text)
    address = address.replace("&amp;", "&")
    assert "type=subdomain&q=h&gone=false" in address
    following = await browser.page(address)
    assert "h0.shop.acme.test" in following.words
    export = await browser.get("/assets/export?format=json&type=subdomain&q=h5")
    assert len(export.json()) == 11
    assert "Nothing fits" in (await browser.page("/assets?q=nothing-has-this")).words
    for nonsense in ("type=planet", "gone=maybe", "criticality=x", "target=%00", "cursor=", "q=%27%22%3Cscript%3E"):
        assert (await browser.get(f"/assets?{nonsense}")).status_code in (200, 400), nonsense


async def test_notes_are_saved_and_bad_ones_are_shown_again(
    browser: Browser, ctx: Context, ada: Caller, bob: Caller
) -> None:
    await finished_scan(ctx, ada)
    asset = (await list_assets(ctx, ada)).items[0]
    await browser.sign_in()
    path = f"/assets/{asset.id}"
    saved = await browser.post(path, path, tags="pci, edge", owner="Web team", criticality="high")
    assert saved.status_code == 303
    words = (await browser.page("/assets?tag=pci&criticality=high")).words
    assert "Web team" in words
    refused = await browser.post(path, path, tags="a" * 41, owner="Web team", criticality="high")
    assert refused.status_code == 400
    assert "a tag is 1 to 40" in refused.text
    reply = await browser.http.post(path, data={"tags": "x"})
    assert reply.status_code == 403, "no token, no change"
    await browser.page("/assets/999", 404)
    await browser.page("/assets/x", 404)


async def test_another_account_sees_nothing(browser: Browser, ctx: Context, ada: Caller, bob: Caller) -> None:
    await finished_scan(ctx, ada)
    asset = (await list_assets(ctx, ada)).items[0]
    await browser.sign_in("bob@other.test")
    await browser.page(f"/assets/{asset.id}", 404)
    assert "shop.acme.test" not in (await browser.page("/assets/surface")).words
    assert (await browser.get("/assets/export?format=json")).json() == []


async def test_changes_are_told_in_words(browser: Browser, ctx: Context, ada: Caller, engine: NoisyEngine) -> None:
    nginx = Technology("http://shop.acme.test:8080", "nginx", "1.18.0", "", "", 0.9)
    engine.facts = (nginx,)
    await finished_scan(ctx, ada)
    hostile = Asset(AssetType.SENSITIVE_PATH, HOSTILE, HOSTILE, HOSTILE)
    newer = Technology("http://shop.acme.test:8080", "nginx", "1.20.1", "", "", 0.9)
    engine.facts = (newer, hostile)
    await finished_scan(ctx, ada)
    await browser.sign_in()
    page = await browser.page("/assets/changes")
    assert "1.18.0 → 1.20.1" in page.words
    assert "Not seen by earlier scans" in page.words
    assert "Nothing fits" in (await browser.page("/assets/changes?kind=gone")).words
    await browser.page("/assets/surface")


async def test_thousands_of_assets_are_counted_not_drawn(
    browser: Browser, ctx: Context, ada: Caller, engine: NoisyEngine
) -> None:
    origin = Origin("https", "h7.shop.acme.test", 443)
    engine.facts = (
        *crowd(3_000),
        Asset(AssetType.IP, "127.0.0.9", "dns", "h7.shop.acme.test"),
        Resolution("h7.shop.acme.test", ("127.0.0.9",)),
        Service("h7.shop.acme.test", "127.0.0.9", 443, "https", origin),
    )
    await finished_scan(ctx, ada)
    await browser.sign_in()
    reply = await browser.get("/assets/surface")
    assert reply.status_code == 200
    assert len(reply.content) < 200_000
    assert reply.text.count('<g class="node') <= 80
    assert re.search(r"and 2,9\d\d more names", reply.text)
    assert "style=" not in reply.text
    below = await browser.page("/assets/surface?root=h7.shop.acme.test")
    assert "https://h7.shop.acme.test" in below.words


def test_a_shared_address_is_drawn_once_with_a_line_from_each_name() -> None:
    def node(kind: str, label: str) -> SurfaceNode:
        return SurfaceNode(f"{kind}|{label}", kind, label, 1, None, None, 0, False)

    nodes = (node("subdomain", "a"), node("subdomain", "b"), node("ip", "192.0.2.1"))
    edges = (("subdomain|a", "ip|192.0.2.1"), ("subdomain|b", "ip|192.0.2.1"))
    surface = Surface(nodes, edges, (Hidden("ip|192.0.2.1", "service", 4), Hidden("", "subdomain", 9)), {})
    picture = draw(surface)
    assert [words for _, words in picture.heads] == ["Names", "Addresses", "Services"]
    assert [box.words for box in picture.boxes if box.hidden] == ["4 services", "and 9 more names"]
    assert (len(picture.boxes), len(picture.lines)) == (5, 3)
    assert len({(box.x, box.y) for box in picture.boxes}) == 5
    assert max(box.y for box in picture.boxes) + 26 <= picture.height
    first, second = grow(surface).roots
    assert (first.below[0].again, second.below[0].again) == (False, True)
    assert shorten("x" * 40) == f"{'x' * 10}…{'x' * 11}"


async def test_findings_hang_below_their_service(
    browser: Browser, ctx: Context, ada: Caller, engine: NoisyEngine
) -> None:
    await finished_scan(ctx, ada)
    await browser.sign_in()
    page = await browser.page("/assets/surface")
    assert "Git repository can be read" in page.words
