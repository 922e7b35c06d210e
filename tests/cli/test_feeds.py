"""`secrecon feeds` as a process: what people read, what machines read, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.intel import madeup

NVD = madeup.nvd(madeup.cve("CVE-2026-1000", [madeup.node(madeup.match("a:acme:shop", endExcluding="2.0"))]))


def secrecon(data: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "secrecon", "feeds", *words, "--data-dir", str(data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_from_nothing_to_another_machine(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (tmp_path / "n.json").write_bytes(NVD)
    (tmp_path / "junk").write_bytes(b"?")
    empty = json.loads(secrecon(one, "status", "--json").stdout)
    assert {feed["state"] for feed in empty["feeds"]} == {"missing"}
    told = secrecon(one, "import", str(tmp_path / "n.json"), str(tmp_path / "junk"), "--quiet", code=1).stdout
    assert "nvd-n: taken in (1 record of 2026-11-20)" in told
    assert "junk: not used: the format is none of those" in told
    assert ", in use" in told
    exported = secrecon(one, "export", str(tmp_path / "bundle"))
    key = exported.stdout.strip()
    assert len(key) == 64
    refused = secrecon(two, "import", str(tmp_path / "bundle"), code=3)
    assert f"--trust {key}" in refused.stderr
    secrecon(two, "import", str(tmp_path / "bundle"), "--trust", key)
    (index,) = (two / "feeds" / "index").iterdir()
    index.write_bytes(b"of another version")
    assert "secrecon feeds rebuild" in secrecon(two, "status", code=1).stdout
    secrecon(two, "rebuild", "--quiet")
    table = secrecon(two, "status").stdout
    assert "nvd-n" in table
    assert "never fetched" in table


@pytest.mark.slow
def test_a_list_of_ones_own_that_cannot_be_reached_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "feeds.yaml"
    sources.write_text('- {name: kev, kind: kev, url: "http://127.0.0.1:1/kev", refresh: 1}\n', "utf-8")
    monkeypatch.setenv("SECRECON_FEEDS_FILE", str(sources))
    # five tries with waits between them are the fetcher's business; a name that cannot be is answered at once
    sources.write_text('- {name: kev, kind: kev, url: "http://127.0.0.1:99999/kev", refresh: 1}\n', "utf-8")
    assert "is not an http or https address" in secrecon(tmp_path, "sync", code=1).stdout
    assert "alarm" in secrecon(tmp_path, "status", code=1).stdout
    sources.write_text("- {name: kev, kind: nothing}\n", "utf-8")
    assert "does not fit" in secrecon(tmp_path, "status", code=3).stderr
