"""Signing, requiring signatures, and explaining, from the command line. Nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from secrecon.app.armory import Armory
from secrecon.app.settings import Settings
from secrecon.cli.main import cli
from secrecon.model.errors import BadInput, OperatorError

HEAD = "id: {id}\ninfo:\n  name: Made up\n  author: us\n  severity: high\n"
GET = "http:\n  - path: ['{{{{BaseURL}}}}/{path}']\n"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("first", "second"):
        (folder / f"{name}.yaml").write_text(HEAD.format(id=name) + GET.format(path=name))
    return folder


def secrecon(*args: str | Path, **more: str) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env=dict(more))


def test_only_what_a_trusted_key_signed_runs(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = keys
    done = secrecon("templates", "sign", folder / "first.yaml", "--key", private)
    assert (done.exit_code, "signed 1 files" in done.output) == (0, True), done.output
    settings = Settings(
        data_dir=tmp_path / "none", templates=folder, require_signed=True, template_keys=(str(public),)
    )
    ids = {armed.template.id for armed in Armory(settings).armed()}
    assert "first" in ids
    assert "second" not in ids
    assert len(ids) > 1, "what ships with SecRecon needs no signature"
    refused = secrecon(
        "templates",
        "run",
        "-t",
        folder,
        "-u",
        "127.0.0.1",
        "--id",
        "second",
        "--require-signed",
        "--trusted-key",
        public,
    )
    assert isinstance(refused.exception, BadInput)
    assert "second.yaml:7: not run, as a signature is required: it is not signed" in str(refused.exception)
    assert "refused: 1 without a signature of a trusted key" in str(refused.exception)
    (folder / "first.yaml").write_bytes((folder / "first.yaml").read_bytes().replace(b"first']", b"other']"))
    changed = Armory(settings)
    assert "first" not in {armed.template.id for armed in changed.armed()}


def test_requiring_without_a_key_is_an_error_and_so_is_a_bad_key(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no key is trusted"):
        Armory(Settings(data_dir=tmp_path, require_signed=True))
    with pytest.raises(OperatorError, match=r"gone\.pem cannot be read"):
        Armory(Settings(data_dir=tmp_path, require_signed=True, template_keys=(str(tmp_path / "gone.pem"),)))
    for args in ((folder, "--key", folder / "first.yaml"), (tmp_path / "no.yaml", "--key", folder / "first.yaml")):
        done = secrecon("templates", "sign", *args)
        assert done.exit_code != 0


def test_a_whole_folder_is_signed_but_nothing_that_is_no_template(folder: Path, keys: tuple[Path, Path]) -> None:
    done = secrecon("templates", "sign", folder, "--key", keys[0])
    assert "signed 2 files" in done.output
    assert sorted(file.name for file in folder.iterdir()) == ["first.yaml", "second.yaml"]
    (folder / "bad.yaml").write_text("a: [")
    bad = secrecon("templates", "sign", folder / "bad.yaml", "--key", keys[0])
    assert isinstance(bad.exception, BadInput)
    assert (folder / "bad.yaml").read_text() == "a: ["


def explained(*args: str | Path, **more: str) -> str:
    done = secrecon("templates", "explain", *args, **more)
    assert done.exit_code == 0, done
    return done.output


def test_explain_says_what_would_be_sent_and_why_it_may(folder: Path, keys: tuple[Path, Path]) -> None:
    file = folder / "harm.yaml"
    file.write_text(
        HEAD.format(id="harm")
        + "variables:\n  word: \"{{to_upper('ab')}}\"\nhttp:\n  - raw:\n      - |\n        POST /x?w={{word}} HTTP/1.1\n"
        "        Host: {{Hostname}}\n        X-Token: {{token}}\n\n        a=;id;&u={{interactsh-url}}\n"
        "  - path: ['{{BaseURL}}/{{n}}']\n    payloads:\n      n: [one, two, three]\n"
    )
    shown = explained("harm", "-t", folder, "-u", "http://127.0.0.1:8080/app")
    assert "level: intrusive" in shown
    assert "it runs a command: ;id;" in shown
    assert "a full scan of an authorized target: does not run it: by policy" in shown
    assert "a full scan with --intrusive: runs it" in shown
    assert "requests to one target: 4 at most" in shown
    assert "hosts: 127.0.0.1:8080" in shown
    assert "callbacks: it waits" in shown
    assert "example values stand for: token" in shown
    assert "POST /app/x?w=AB HTTP/1.1" in shown
    assert "X-Token: <token>" in shown
    assert "u=callback.example" in shown
    assert "GET /app/three HTTP/1.1" in shown
    assert "signature: it is not signed" in shown
    secrecon("templates", "sign", file, "--key", keys[0])
    assert "signature: signed by the trusted key" in explained(file, SECRECON_TEMPLATE_KEYS=str(keys[1]))


def test_explain_shows_other_protocols_and_what_cannot_be_built(folder: Path) -> None:
    file = folder / "mixed.yaml"
    file.write_text(
        HEAD.format(id="mixed")
        + "dns:\n  - name: '_x.{{FQDN}}'\n    type: TXT\nssl:\n  - address: '{{Host}}:{{Port}}'\n"
        "tcp:\n  - host: ['{{Hostname}}']\n    port: 99\n    inputs:\n      - data: '0a0b'\n        type: hex\n"
        "http:\n  - path: ['{{BaseURL}}/{{to_number(num) + 1}}']\n  - path: [\"{{BaseURL}}/{{date_time('%Y', 'no')}}\"]\n"
    )
    shown = explained(file, "-u", "https://site.test")
    for words in (
        "dns: _x.site.test TXT",
        "tls handshake with site.test:443",
        "\\n\\x0b",
        "GET /2 HTTP/1.1",
        "cannot be built",
    ):
        assert words in shown, words


def test_explain_a_template_that_is_not_there_or_not_usable(folder: Path) -> None:
    (folder / "bad.yaml").write_text("id: bad\n")
    for args, words in (
        (("none", "-t", folder), "no template 'none'"),
        (("bad", "-t", folder), "bad.yaml:1"),
        ((folder / "bad.yaml",), "bad.yaml:1"),
        ((folder / "gone.yaml",), "there is no file"),
    ):
        done = secrecon("templates", "explain", *args)
        assert isinstance(done.exception, BadInput)
        assert words in str(done.exception)
