"""`secrecon templates run` against a server on loopback: flags, records, exit codes; as a process of its own: Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from secrecon.cli.main import main

HEAD = "id: {id}\ninfo:\n  name: Made up\n  author: us\n  severity: {severity}\n  tags: {tags}\n"
MATCH = "    matchers:\n      - type: word\n        words: ['{word}']\n"


@dataclass
class Site:
    """What was asked, in order: (method, path, headers)."""

    port: int
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.rfile.read(length)
            made.asked.append((self.command, self.path, dict(self.headers)))
            if self.path.startswith("/slow"):
                made.hold.wait(20)
            away = self.path.startswith("/away")
            body = b"" if away else f"hello from {self.path} {self.headers.get('X-Who', '')}".encode()
            later = self.path.startswith("/later429")
            self.send_response(302 if away else 429 if later else 200)
            if away:
                self.send_header("Location", "/landed")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that left is no error."""

    httpd = Server(("127.0.0.1", 0), Handler)
    made = Site(httpd.server_address[1])
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield made
    made.hold.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join(5)


@pytest.fixture
def site(server: Site) -> Site:
    server.asked.clear()
    server.hold.clear()
    return server


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def ids(self) -> set[object]:
        return {record["template-id"] for record in self.records}


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "secrecon", "templates", "run", *map(str, args)]


def environment(tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
    return {**clean, "SECRECON_DATA_DIR": str(tmp_path / "none")}


@dataclass
class Shell:
    """Runs the command in this process, as `main` would as a process of its own."""

    folder: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *args: str | Path, **more: str) -> Ran:
        with self.patch.context() as patch:
            for name in os.environ:
                if name.startswith("SECRECON_"):
                    patch.delenv(name)
            for name, value in {"SECRECON_DATA_DIR": str(self.folder / "none"), **more}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["secrecon", "templates", "run", *map(str, args)])
            with pytest.raises(SystemExit) as ended:
                main()
        shown = self.capture.readouterr()
        return Ran(int(ended.value.code or 0), shown.out, shown.err)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys)


def put(folder: Path, name: str, blocks: str, *, severity: str = "high", tags: str = "one,two") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(HEAD.format(id=name, severity=severity, tags=tags) + blocks)
    return file


def get(path: str, word: str = "hello", more: str = "") -> str:
    return f"http:\n  - path: ['{{{{BaseURL}}}}{path}']\n{more}" + MATCH.format(word=word)


def test_a_record_has_the_reference_s_keys_and_the_summary_goes_to_stderr(
    tmp_path: Path, site: Site, run: Shell
) -> None:
    body = (
        "http:\n  - raw:\n      - |\n        GET /a?x={{c}} HTTP/1.1\n        Host: {{Hostname}}\n        X-Who: {{who}}\n\n"
        "    payloads:\n      c: [p1]\n    matchers:\n      - type: word\n        name: greeted\n        words: ['hello', 'me']\n"
        "        condition: and\n    extractors:\n      - type: regex\n        name: from\n        regex: ['from \\S+']\n"
    )
    file = put(tmp_path, "greets", body)
    ran = run("-t", file, "-u", site.url, "-V", "who=me", "--jsonl")
    assert ran.code == 0, ran.err
    record = ran.records[0]
    for key in ("template-id", "info", "matcher-name", "type", "host", "port", "scheme", "url", "path", "matched-at",
                "request", "response", "meta", "ip", "timestamp", "curl-command", "matcher-status"):  # fmt: skip
        assert key in record, key
    assert record["host"] == record["ip"] == "127.0.0.1"
    assert (record["port"], record["scheme"], record["type"]) == (str(site.port), "http", "http")
    assert record["matched-at"] == f"{site.url}/a?x=p1"
    assert record["meta"] == {"c": "p1"}
    assert record["matcher-status"] is True
    assert "X-Who: me" in str(record["request"])
    assert record["info"]["severity"] == "high"  # type: ignore[index]
    assert any(item.get("extracted-results") == ["from /a?x=p1"] for item in ran.records)
    assert "1 attempts (1 done), 1 requests asked for, 1 sent" in ran.err


def test_filters_choose_and_what_is_left_out_is_told(tmp_path: Path, site: Site, run: Shell) -> None:
    put(tmp_path, "first", get("/1"), severity="high", tags="red,blue")
    put(tmp_path, "second", get("/2"), severity="low", tags="blue")
    put(tmp_path, "third", get("/3"), severity="info", tags="green")
    put(tmp_path, "broken", "http:\n  - path: 1\n    odd: 2\n")
    for args, ids in (
        (("--tags", "red,green"), {"first", "third"}),
        (("--exclude-tags", "blue"), {"third"}),
        (("--severity", "high", "--severity", "low"), {"first", "second"}),
        (("--exclude-severity", "info,low"), {"first"}),
        (("--id", "second", "--exclude-id", "first"), {"second"}),
    ):
        ran = run("-t", tmp_path, "-u", site.url, "--jsonl", *args)
        assert (ran.code, ran.ids) == (0, ids), ran.err
    assert "not used: broken.yaml:" in ran.err
    none = run("-t", tmp_path, "-u", site.url, "--tags", "nothing")
    assert none.code == 3
    assert "nothing to run" in none.err


def test_intrusive_ones_of_a_folder_do_not_run_unasked(tmp_path: Path, site: Site, run: Shell) -> None:
    put(tmp_path, "reads", get("/reads"))
    writes = put(tmp_path, "writes", get("/writes", more="    method: PUT\n    body: a\n"))
    ran = run("-t", tmp_path, "-u", site.url, "--jsonl")
    assert (ran.code, ran.ids) == (0, {"reads"})
    assert "left out: 1 intrusive" in ran.err
    assert site.paths() == ["/reads"]
    for args in (("-t", tmp_path, "--intrusive"), ("-t", writes), ("-t", tmp_path, "--id", "writes")):
        assert "writes" in run(*args, "-u", site.url, "--jsonl").ids
    only = run("-t", tmp_path, "--exclude-id", "reads", "-u", site.url)
    assert (only.code, "left out: 1 intrusive" in only.err) == (3, True)


def test_many_targets_from_a_file_and_one_that_is_down(tmp_path: Path, site: Site, run: Shell) -> None:
    file = put(tmp_path, "reads", get("/reads"))
    targets = tmp_path / "targets.txt"
    targets.write_text(f"# mine\n\n{site.url}/a\n127.0.0.1:{site.port}/b\n{site.url}/a\nhttp://127.0.0.1:1\n")
    ran = run("-t", file, "-l", targets, "--jsonl", "--concurrency", "2", "--rate", "50")
    assert ran.code == 0
    assert sorted(site.paths()) == ["/a/reads", "/b/reads"]
    assert "1 failed" in ran.err
    assert "not tested, 1 times" in ran.err
    down = run("-t", file, "-u", "http://127.0.0.1:1", "--matcher-status", "--jsonl", "--timeout", "2")
    assert down.code == 2
    assert [(item["matcher-status"], "error" in item) for item in down.records] == [(False, True)]


def test_who_was_turned_away_was_not_tested(tmp_path: Path, site: Site, run: Shell) -> None:
    put(tmp_path, "turned", get("/later429", word="never"))
    ran = run("-t", tmp_path, "-u", site.url)
    assert (ran.code, ran.out) == (2, "")
    assert "1 attempts (1 blocked)" in ran.err
    assert "the server answered 429" in ran.err
    put(tmp_path, "sees", get("/later429", word="hello"))
    ran = run("-t", tmp_path, "-u", site.url, "--jsonl")
    assert (ran.code, ran.ids) == (0, {"sees"})
    assert "1 done" in ran.err
    assert "1 blocked" in ran.err


def test_redirects_status_and_attack_type(tmp_path: Path, site: Site, run: Shell) -> None:
    put(tmp_path, "follows", get("/away", word="landed", more="    redirects: true\n"))
    put(tmp_path, "misses", get("/misses", word="nowhere"))
    put(
        tmp_path,
        "pairs",
        "http:\n  - path: ['{{BaseURL}}/{{a}}{{b}}']\n    attack: pitchfork\n"
        "    payloads:\n      a: [a1, a2]\n      b: [b1, b2]\n" + MATCH.format(word="hello"),
    )
    ran = run("-t", tmp_path, "-u", site.url, "--jsonl")
    assert ran.ids == {"follows", "pairs"}
    assert {path for path in site.paths() if path.startswith(("/a1", "/a2"))} == {"/a1b1", "/a2b2"}
    site.asked.clear()
    ran = run(
        "-t", tmp_path, "-u", site.url, "--jsonl", "--no-redirects", "--attack-type", "clusterbomb", "--matcher-status"
    )  # fmt: skip
    assert "/landed" not in site.paths()
    assert len({path for path in site.paths() if "b1" in path or "b2" in path}) == 4
    status = {(record["template-id"], record["matcher-status"]) for record in ran.records}
    assert {("misses", False), ("follows", False), ("pairs", True)} <= status


def test_self_contained_ones_only_where_allowed_and_once(tmp_path: Path, site: Site, run: Shell) -> None:
    put(
        tmp_path,
        "alone",
        f"self-contained: true\nhttp:\n  - raw:\n      - |\n        GET {site.url}/alone HTTP/1.1\n        Host: 127.0.0.1\n\n"
        + MATCH.format(word="hello"),
    )
    put(tmp_path, "reads", get("/reads"))
    ran = run("-t", tmp_path, "-u", site.url, "--jsonl")
    assert ran.ids == {"reads"}
    assert "left out: 1 that bring their own address" in ran.err
    both = run("-t", tmp_path, "-u", f"{site.url}/1", "-u", f"{site.url}/2", "--jsonl", "--allow-self-contained")
    assert both.ids == {"reads", "alone"}
    assert site.paths().count("/alone") == 1
    nowhere = run(
        "-t",
        tmp_path / "alone.yaml",
        "--jsonl",
        "--allow-self-contained",
        SECRECON_SCOPE_ALLOW="127.0.0.0/8",
    )
    assert (nowhere.code, nowhere.ids) == (0, {"alone"}), nowhere.err


def test_what_fuzzes_or_looks_at_others_runs_only_where_asked_for(
    tmp_path: Path, site: Site, run: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "reads", get("/reads"))
    rule = "    fuzzing: [{part: query, fuzz: [changed]}]\n"
    put(tmp_path, "fuzzes", "http:\n  - method: GET\n" + rule + MATCH.format(word="changed"))
    put(tmp_path, "looks", "http:\n  - global-matchers: true\n" + MATCH.format(word="hello from"))
    ran = run("-t", tmp_path, "--intrusive", "-u", f"{site.url}/a?x=1", "--jsonl")
    assert (ran.code, ran.ids) == (0, {"reads"})
    assert "fuzzing was not asked for" in ran.err
    assert "it looks at the answers to other templates, and that was not asked for" in ran.err
    assert site.paths() == ["/a/reads?x=1"]
    ran = run("-t", tmp_path, "--intrusive", "-u", f"{site.url}/a?x=1", "--jsonl", "--fuzz", "--global-matchers")
    assert ran.ids == {"reads", "fuzzes", "looks"}, ran.err
    assert "/a?x=changed" in site.paths()
    seen = sorted(str(item["matched-at"]) for item in ran.records if item["template-id"] == "looks")
    assert seen == [f"{site.url}/a/reads?x=1", f"{site.url}/a?x=changed"]
    for file, words in (("fuzzes", "--fuzz` does"), ("looks", "--global-matchers` does")):
        monkeypatch.setattr(sys, "argv", ["secrecon", "templates", "explain", str(tmp_path / f"{file}.yaml")])
        with pytest.raises(SystemExit):
            main()
        assert words in capsys.readouterr().out


def test_callbacks_come_to_a_listener_of_our_own(tmp_path: Path, site: Site, run: Shell) -> None:
    """The request carries an address of the listener; nobody calls it, so nothing is found and nothing hangs."""
    file = put(
        tmp_path,
        "waits",
        "http:\n  - path: ['{{BaseURL}}/?u=http://{{interactsh-url}}']\n    matchers:\n      - type: word\n"
        "        part: interactsh_protocol\n        words: ['http']\n",
    )
    ran = run("-t", file, "-u", site.url, "--jsonl", "--cooldown", "0.5")
    assert (ran.code, ran.out) == (0, "")
    assert "u=http://127.0.0.1:" in site.paths()[0]
    deaf = run("-t", file, "-u", site.url, "--oast-server", "http://127.0.0.1:1", "--cooldown", "0")
    assert deaf.code == 3
    assert "127.0.0.1:1" in deaf.err


def test_a_workflow_runs_what_its_first_template_recognised(tmp_path: Path, site: Site, run: Shell) -> None:
    put(tmp_path, "seen", get("/seen"))
    put(tmp_path, "next", get("/next"))
    put(tmp_path, "harm", get("/harm", more="    method: DELETE\n"))
    flow = tmp_path / "flow.yaml"
    flow.write_text(
        HEAD.format(id="flow", severity="info", tags="a")
        + "workflows:\n  - template: seen.yaml\n    subtemplates:\n      - template: next.yaml\n      - template: harm.yaml\n"
    )
    ran = run("-w", flow, "-u", site.url, "--jsonl")
    assert (ran.code, ran.ids) == (0, {"seen", "next"})
    assert site.paths() == ["/seen", "/next"]
    assert "harm.yaml: by policy: intrusive" in ran.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "nothing to run"),
        (("-t", "{dir}/none.yaml"), "does not exist"),
        (("-t", "{dir}/empty"), "there is no .yaml file"),
        (("-t", "{dir}/bad.yaml"), "not YAML"),
        (("-t", "{dir}/good.yaml"), "no target"),
        (("-t", "{dir}/good.yaml", "-l", "{dir}/no-list"), "cannot be read"),
        (("-t", "{dir}/good.yaml", "-l", "{dir}/bad.yaml", "-u", "ftp://x"), "is not an http or https address"),
        (("-t", "{dir}/good.yaml", "-l", "{dir}/blank.txt"), "holds no target"),
        (("-t", "{dir}/good.yaml", "-u", "http://[::1"), "does not close it"),
        (("-w", "{dir}/good.yaml", "-u", "127.0.0.1"), "good.yaml cannot be used: line"),
        (("-t", "{dir}/good.yaml", "-u", "127.0.0.1", "-V", "x"), "NAME=VALUE"),
        (("-t", "{dir}/good.yaml", "-u", "127.0.0.1", "--rate", "0"), "--rate"),
        (("-t", "{dir}/good.yaml", "-u", "127.0.0.1", "--require-signed"), "no key is trusted"),
    ],
)
def test_errors_are_one_line_and_exit_code_3(tmp_path: Path, run: Shell, args: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "blank.txt").write_text("\n# nothing\n")
    put(tmp_path, "good", get("/"))
    ran = run(*(arg.format(dir=tmp_path) for arg in args))
    assert ran.code == 3, ran
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_ctrl_c_ends_the_run_and_keeps_what_was_found(tmp_path: Path, site: Site) -> None:
    put(tmp_path, "a-first", get("/first"))
    put(tmp_path, "b-slow", get("/slow"))
    put(tmp_path, "c-later", get("/later"))
    args = command("-t", tmp_path, "-u", site.url, "--jsonl", "--concurrency", "1", "--timeout", "15")
    child = subprocess.Popen(
        args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path)
    )
    try:
        until = time.monotonic() + 40
        while "/slow" not in site.paths() and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)
        site.hold.set()
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 2, err
    assert "stopped before the end" in err
    assert "/later" not in site.paths()
    assert json.loads(out.splitlines()[0])["template-id"] == "a-first"


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path, site: Site) -> None:
    file = put(tmp_path, "slow", get("/slow"))
    child = subprocess.Popen(
        command("-t", file, "-u", site.url, "--timeout", "60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    try:
        until = time.monotonic() + 40
        while "/slow" not in site.paths() and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
    finally:
        child.kill()
        site.hold.set()
    assert child.returncode == 3
    assert "aborted" in err
    assert "Traceback" not in err
