"""Every proof takes the real thing and refuses what only looks like it; secrets do not reach the evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.detect.exposure_samples import ANY_LOOKALIKE, LOOKALIKE, REAL

from secrecon.detect.exposure_rules import QUICK_PATHS, Rule, load_rules
from secrecon.detect.exposures import derived_rules, findings, judge, proves, rules_for
from secrecon.detect.masking import MASKS, mask_body
from secrecon.detect.soft404 import Soft404, learn
from secrecon.model.finding import Severity
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.target import Origin

RULES = load_rules()
DEV = Origin("http", "dev.acme.test", 8080)
SECRETS = (
    "hunter22",
    "MIIEowIBAAKC",
    "AAAAIKsomething",
    "abcdefghijklmnop",
    "d2lsZTpodW",
    "0123456789abcdef",
    "'w'",
)


def exchange(path: str, body: bytes, status: int = 200) -> HttpExchange:
    head = f"HTTP/1.1 {status} OK\r\n\r\n".encode()
    reply = HttpReply(status, "OK", (), body, head, body, b"", False, (), 0.1, "127.0.0.1")
    return HttpExchange(HttpRequest(DEV, target=path), reply)


def path_of(name: str) -> str:
    return (
        "/files/"
        if name == "listing"
        else next((r.path for r in (*RULES.rules, *RULES.rest) if r.proof.name == name), "/a.js.map")
    )


def test_the_samples_cover_every_proof() -> None:
    assert REAL.keys() == RULES.proofs.keys()
    assert LOOKALIKE.keys() <= REAL.keys()


@pytest.mark.parametrize("name", REAL)
def test_the_real_thing_is_found_and_masked(name: str) -> None:
    rule = Rule(path_of(name), RULES.proofs[name], 0)
    found = judge(rule, exchange(rule.path, REAL[name]), Soft404())
    assert found is not None
    assert not [secret for secret in SECRETS if secret in found.evidence.response]
    assert found.evidence.matcher
    assert found.evidence.curl.endswith(rule.path) or "'" in found.evidence.curl
    (finding,) = findings(RULES, DEV, [found])
    assert finding.check == rule.proof.check
    assert finding.location == rule.path


@pytest.mark.parametrize("name", REAL)
def test_lookalikes_are_refused(name: str) -> None:
    proof = RULES.proofs[name]
    for body in (*ANY_LOOKALIKE, *LOOKALIKE.get(name, ())):
        assert not proves(proof, DEV, path_of(name), 200, body), body
    assert not proves(proof, DEV, path_of(name), 403, REAL[name])
    assert not proves(proof, DEV, path_of(name), 404, REAL[name])


@pytest.mark.parametrize("name", REAL)
def test_the_real_thing_of_another_kind_is_another_check(name: str) -> None:
    """What one proof takes, no proof of an unrelated check takes, unless the two are meant to overlap."""
    overlapping = {"exposure.config-backup", "exposure.config-file", "exposure.env", "exposure.source-backup",
                   "exposure.credentials", "exposure.build-file", "exposure.ide-config", "exposure.svn",
                   "exposure.database-file", "exposure.private-key"}  # fmt: skip
    for other in RULES.proofs.values():
        if other.check == RULES.proofs[name].check or other.check in overlapping:
            continue
        assert not proves(other, DEV, path_of(other.name), 200, REAL[name]), other.name


def test_the_list_is_long_and_its_beginning_is_the_quick_scan() -> None:
    assert len(RULES.rules) >= 120
    assert len(RULES.quick) == QUICK_PATHS
    quick = {rule.proof.check for rule in RULES.quick}
    assert {"exposure.git", "exposure.env", "exposure.backup-archive", "exposure.private-key"} <= quick
    everything = (*RULES.rules, *RULES.rest)
    assert len({(rule.path, rule.proof.name) for rule in everything}) == len(everything)
    assert len(RULES.paths) >= 1_500
    assert not [path for path in RULES.paths if "//" in path or "(" in path or "|" in path]
    assert RULES.checks["exposure.api-docs"].severity is Severity.INFO


def test_the_list_begins_with_the_likeliest_of_every_group() -> None:
    begins = {rule.group for rule in RULES.rest[: len(RULES.groups)]}
    assert begins == {group.name for group in RULES.groups}
    for group in RULES.groups:
        ours = [rule for rule in RULES.rest if rule.group == group.name]
        assert ours == list(group.rules), "each group in its own order"
        assert not any("/../" in rule.path or "%" in rule.path for rule in ours)


def test_names_of_the_host_are_filled_in() -> None:
    paths = {rule.path for rule in rules_for(RULES.rules, Origin("http", "www.shop.acme.test", 80))}
    assert "/www.shop.acme.test.zip" in paths
    assert "/shop.zip" in paths
    assert not any("{" in path for path in paths)
    assert not any("127" in rule.path for rule in rules_for(RULES.rules, Origin("http", "127.0.0.1", 80)))


def test_what_the_crawl_met_adds_folders_copies_and_maps_but_nothing_that_acts() -> None:
    found = {
        rule.path: rule.proof.name
        for rule in derived_rules(RULES, ["/a/b/c.html?x=1", "/shop/cart.php", "/x/delete/y"], ["/static/a.js.map"])
    }
    assert found["/a/"] == found["/a/b/"] == found["/shop/"] == "listing"
    assert found["/shop/cart.php.bak"] == "php-source"
    assert found["/static/a.js.map"] == "source-map"
    assert not any("delete" in path for path in found)
    many = derived_rules(RULES, [f"/d{i}/p{i}.php" for i in range(1_000)], [f"/{i}.map" for i in range(1_000)])
    assert len(many) < 100


def test_several_paths_of_one_thing_are_one_finding() -> None:
    items = [
        judge(rule, exchange(rule.path, REAL[rule.proof.name]), Soft404())
        for rule in RULES.rules
        if rule.path in ("/.git/config", "/.git/HEAD", "/.env")
    ]
    merged = findings(RULES, DEV, [item for item in reversed(items) if item is not None])
    assert [(f.check, f.location, len(f.evidence)) for f in merged] == [
        ("exposure.git", "/.git/HEAD", 2),
        ("exposure.env", "/.env", 1),
    ]


def test_what_looks_like_a_missing_page_does_not_count() -> None:
    rule = next(rule for rule in RULES.rules if rule.path == "/.git/HEAD")
    same = exchange("/.git/HEAD", REAL["git-head"])
    missing = learn([("/.axyz/bxyz", same.reply), ("/.cxyz", same.reply)])
    assert judge(rule, same, missing) is None
    assert judge(rule, same, Soft404()) is not None


@given(st.binary(max_size=400), st.sampled_from(sorted(MASKS)))
def test_masks_never_raise(body: bytes, kind: str) -> None:
    mask_body(body, kind)


@given(st.text(alphabet="abcdefghij0123456789", min_size=8, max_size=30), st.sampled_from(["=", " = ", ": ", ":"]))
def test_a_masked_value_is_gone(secret: str, mark: str) -> None:
    assert secret.encode() not in mask_body(f"DB_PASSWORD{mark}{secret}\n".encode(), "pairs")
    assert secret.encode() not in mask_body(f"define('KEY', '{secret}');\n".encode(), "strings")
    assert secret.encode() not in mask_body(f"url = https://wile:{secret}@git.acme.test/x\n".encode(), "")


@given(st.binary(max_size=300))
def test_proofs_never_raise(body: bytes) -> None:
    for name, proof in RULES.proofs.items():
        proves(proof, DEV, path_of(name), 200, body)
