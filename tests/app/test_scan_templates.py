"""A whole scan with templates on loopback: what was fingerprinted, what is verified, doubted, refused and failed, and what the
report says of the sets."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from secrecon import report as reports
from secrecon.app.armory import FED, GIVEN, OWN, Armory
from secrecon.app.oneshot import OneShot
from secrecon.app.settings import Settings
from secrecon.app.template_sets import fed_folder
from secrecon.model.finding import EvidenceLevel, Finding
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Attempt, Outcome, ScanMode, Touch
from secrecon.service.feeds import import_files
from secrecon.service.feeds_state import FeedStore
from secrecon.templates.catalog import digest_of

whole = pytest.mark.xdist_group("scan-with-templates")
NOW = 1_795_600_000.0
HEAD = "id: {id}\ninfo:\n  name: Made up {id}\n  author: us\n  severity: high\n  tags: {tags}\n"


def put(folder: Path, name: str, blocks: str, *, tags: str = "made-up", cve: str = "") -> None:
    known = f"  classification: {{{{cve-id: {cve}}}}}\n" if cve else ""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text((HEAD + known).format(id=name, tags=tags) + blocks)


def get(path: str, word: str, more: str = "") -> str:
    return f"http:\n  - path: ['{{{{BaseURL}}}}{path}']\n{more}    matchers: [{{type: word, words: [{word}]}}]\n"


class Old(BaseHTTPRequestHandler):
    """Says that it is an old Apache; one path proves something."""

    protocol_version = "HTTP/1.1"

    def version_string(self) -> str:
        return "Apache/2.4.49 (Unix)"

    def do_GET(self) -> None:
        body = b"proof" if self.path == "/proof" else b"<h1>It works</h1>" if self.path == "/" else b"no"
        self.send_response(200 if self.path in ("/", "/proof") else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@dataclass(frozen=True)
class Scanned:
    record: ScanRecord
    folder: Path

    def attempt(self, name: str) -> Attempt:
        return next(item for item in self.record.attempts if item.check == f"template.{name}")

    def finding(self, cve: str) -> Finding:
        return next(item.finding for item in self.record.findings if item.finding.cve_id == cve)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    folder = tmp_path_factory.mktemp("scan") / "set"
    put(folder, "runs-code", "code:\n  - engine: [sh]\n    source: id\n")
    put(folder, "misspelt", "http:\n  - pathh: ['{{BaseURL}}/']\n")
    put(folder, "proves", get("/proof", "proof"), cve="CVE-2021-41773")
    put(folder, "doubts", get("/nothing", "never"), cve="CVE-2021-42013")
    put(folder, "seen-product", get("/product", "never"), tags="apache")
    put(folder, "fails", get("/{{nobody}}", "never"))
    put(folder, "writes", get("/write", "never", "    method: PUT\n"))
    put(folder, "broken", "http:\n  - path: 1\n    odd: 2\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Old)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings = Settings(
        data_dir=folder.parent / "data", templates=folder, dns_servers=("127.0.0.1:9",), scope_allow=("127.0.0.1",)
    )
    target = f"http://127.0.0.1:{server.server_address[1]}"
    one = OneShot(settings, target, ScanMode.FULL, ("127.0.0.1",))
    yield Scanned(asyncio.run(one.run()), folder)
    server.shutdown()
    server.server_close()
    thread.join(5)


@whole
def test_a_verified_version_rises_to_behaviour(scanned: Scanned) -> None:
    found = scanned.finding("CVE-2021-41773")
    assert found.evidence_level is EvidenceLevel.BEHAVIOUR
    assert found.confidence >= 0.9
    assert "Verified on the target" in found.description
    assert any("proves" in item.summary for item in found.evidence)


@whole
def test_a_clean_run_says_so_and_takes_confidence(scanned: Scanned) -> None:
    found = scanned.finding("CVE-2021-42013")
    assert found.evidence_level is EvidenceLevel.VERSION_RANGE
    assert found.confidence < 0.5
    assert "doubts asked for the flaw itself and did not see it" in found.description
    assert scanned.attempt("doubts").outcome is Outcome.DONE


@whole
def test_every_template_is_an_attempt_and_a_failed_one_ends_nothing(scanned: Scanned) -> None:
    assert scanned.attempt("seen-product").outcome is Outcome.DONE
    failed = scanned.attempt("fails")
    assert failed.outcome is Outcome.FAILED
    assert "nobody" in failed.reason
    refused = scanned.attempt("writes")
    assert refused.outcome is Outcome.SKIPPED
    assert refused.reason.startswith("by policy")
    assert scanned.record.spec.touch is Touch.ACTIVE
    names = {item.check for item in scanned.record.attempts}
    assert "template.broken" not in names
    unusable = {item.check: item for item in scanned.record.attempts if item.check.endswith(".yaml")}
    assert sorted(unusable) == ["template.broken.yaml", "template.misspelt.yaml", "template.runs-code.yaml"]
    assert unusable["template.runs-code.yaml"].outcome is Outcome.SKIPPED
    assert unusable["template.runs-code.yaml"].reason.startswith("by policy: runs-code.yaml:")
    assert unusable["template.misspelt.yaml"].outcome is Outcome.FAILED
    assert "neither path nor raw" in unusable["template.misspelt.yaml"].reason
    assert sum(name.startswith("template.") for name in names) > 50


@whole
def test_the_report_names_the_sets_by_their_digests(scanned: Scanned) -> None:
    body, _, _ = reports.render(reports.build(scanned.record), "json")
    feeds = {feed["name"]: feed for feed in json.loads(body)["feeds"]}
    digest, rows, _ = digest_of(scanned.folder)
    assert (feeds[GIVEN]["digest"], feeds[GIVEN]["rows"]) == (digest, rows)
    assert OWN in feeds
    assert rows == 8


def archive(folder: Path, *names: str) -> Path:
    """A set of templates as a feed brings it."""
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(f"set-main/http/{name}.yaml", HEAD.format(id=name, tags="a") + get("/a", "b"))
        packed.writestr("set-main/../../out.yaml", HEAD.format(id="out", tags="a") + get("/a", "b"))
    return path


def test_a_set_that_a_feed_brings_is_picked_up_and_swapped_as_a_whole(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    store, armory = FeedStore(settings.data_dir), Armory(settings)
    before = armory.armed()
    assert fed_folder(settings) is None
    (outcome,) = import_files(store, [archive(tmp_path, "one", "two")], NOW)
    assert (outcome.name, outcome.changed, outcome.rows) == ("templates", True, 3)
    first = fed_folder(settings)
    assert first is not None
    running = armory.armed()
    assert {"one", "two"} <= {item.template.id for item in running}
    assert "out" not in {item.template.id for item in running}
    assert armory.armed() is running
    assert [feed.name for feed in armory.feeds()] == [OWN, FED]
    assert armory.feeds()[1].digest == digest_of(first)[0]
    import_files(store, [archive(tmp_path, "three", "four")], NOW, smaller=True)
    after = {item.template.id for item in armory.armed()}
    assert "three" in after
    assert "one" not in after
    assert "one" in {item.template.id for item in running}, "who runs keeps what it had"
    assert first.is_dir()
    import_files(store, [archive(tmp_path, "five")], NOW, smaller=True)
    assert not first.is_dir()
    assert len(before) + 1 == len(armory.armed())


def test_a_set_that_is_broken_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    store = FeedStore(settings.data_dir)
    import_files(store, [archive(tmp_path, "one")], NOW)
    first = fed_folder(settings)
    whole = archive(tmp_path, "two").read_bytes()
    (tmp_path / "set.zip").write_bytes(whole[:-20])
    (outcome,) = import_files(store, [tmp_path / "set.zip"], NOW)
    assert outcome.problem
    assert fed_folder(settings) == first
    assert not (tmp_path / "out.yaml").exists()
