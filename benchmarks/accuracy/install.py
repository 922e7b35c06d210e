"""Installs one version of a pair's package into an environment of its own below `build/accuracy`, once.

Each registry is reached by its ordinary client: uv for PyPI, npm, Maven. Nothing is installed into the system or into
SecRecon's own environment. A stamp with the recipe's digest says that an environment is whole; a changed recipe is
installed anew. An install that fails says so with the client's last words and is tried again on the next run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.accuracy.nouns import Age, Pair, Registry

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).resolve().parent / "apps"
PLACE = Path("/srv")
SECONDS = 900.0
"""For one command of an install."""


_WHOLE, _FAILED = ".whole", ".failed"


class NotInstalled(Exception):
    """The client's last words, on one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """`folder` holds the packages, `app` the copy of our program (the folder itself where a pair brings none)."""

    folder: Path
    app: Path
    version: str

    def fill(self, text: str, port: int = 0) -> str:
        """A command's word with its placeholders filled in."""
        for name, value in {"env": self.folder, "app": self.app, "port": port, "version": self.version}.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def variables(self, pair: Pair, port: int = 0) -> dict[str, str]:
        """What a program or a prepare command gets: a home of its own, no proxy, no secrets of this shell."""
        path = f"{self.folder}/bin:{self.folder}/node_modules/.bin:{os.environ.get('PATH', '')}"
        base = {"PATH": path, "HOME": str(self.folder / "home"), "LANG": "C.UTF-8", "NO_UPDATE_NOTIFIER": "1"}
        return base | {name: self.fill(value, port) for name, value in pair.variables.items()}


def install(pair: Pair, age: Age, below: Path) -> None:
    """Makes the environment of one version where it is not there yet. Raises NotInstalled."""
    environment, folder = _environment(pair, age, below), _folder(pair, age, below)
    stamp, digest = folder / _WHOLE, _digest(pair, age)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _make(pair, age, environment)
    except NotInstalled as error:
        (folder / _FAILED).write_text(str(error))
        raise
    stamp.write_text(digest)


def installed(pair: Pair, age: Age, below: Path) -> Environment:
    """The environment that `install` made. Raises NotInstalled with the reason why there is none."""
    folder = _folder(pair, age, below)
    stamp, failed = folder / _WHOLE, folder / _FAILED
    if stamp.is_file() and stamp.read_text() == _digest(pair, age):
        return _environment(pair, age, below)
    raise NotInstalled(failed.read_text() if failed.is_file() else "nothing was installed")


def _folder(pair: Pair, age: Age, below: Path) -> Path:
    return below / f"{pair.name}-{pair.version(age)}"


def _environment(pair: Pair, age: Age, below: Path) -> Environment:
    folder = _folder(pair, age, below)
    return Environment(folder, folder / "app" if pair.app else folder, pair.version(age))


def _make(pair: Pair, age: Age, environment: Environment) -> None:
    folder = environment.folder
    (folder / "home").mkdir(parents=True)
    if pair.app:
        shutil.copytree(APPS / pair.app, environment.app)
    match pair.registry:
        case Registry.PYPI:
            _pypi(pair, age, folder)
        case Registry.NPM:
            _npm(pair, age, folder)
        case Registry.MAVEN:
            _maven(pair, age, folder)
    for command in pair.prepare:
        words = [environment.fill(word) for word in command]
        _run(words, environment.app, environment.variables(pair))


@contextlib.contextmanager
def placed(environment: Environment, pair: Pair) -> Iterator[Environment]:
    """The same environment at `/srv`, where a program's files would lie on a server: a template that climbs a few folders
    must be able to reach the root. Only for a process in a mount namespace of its own. Raises NotInstalled."""
    _run(["mount", "--bind", str(environment.folder), str(PLACE)], ROOT)
    try:
        yield Environment(PLACE, PLACE / "app" if pair.app else PLACE, environment.version)
    finally:
        _run(["umount", "--lazy", str(PLACE)], ROOT)


def _digest(pair: Pair, age: Age) -> str:
    recipe: dict[str, object] = {
        "what": [pair.registry, pair.package, pair.version(age), pair.others, pair.python, pair.until],
        "prepare": [pair.prepare, dict(pair.variables)],
    }
    if pair.app:
        files = sorted(file for file in (APPS / pair.app).rglob("*") if file.is_file())
        recipe["app"] = [(str(file.relative_to(APPS)), file.read_bytes().hex()) for file in files]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


def _pypi(pair: Pair, age: Age, folder: Path) -> None:
    uv = str(ROOT / "build/uv/bin/uv")
    _run([uv, "venv", "--quiet", "--python", interpreter(pair.python), "--allow-existing", str(folder)], folder)
    newest = ["--exclude-newer", pair.until] if pair.until else []
    wanted = [f"{pair.package}=={pair.version(age)}", *pair.others]
    _run([uv, "pip", "install", "--quiet", "--python", f"{folder}/bin/python", *newest, *wanted], folder)


def interpreter(version: str) -> str:
    """A Python of that version on this machine, on the PATH or below pyenv's folder. Raises NotInstalled."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    named = shutil.which(f"python{version}")
    for candidate in [*sorted(map(str, pyenv.glob(f"{version}.*/bin/python"))), *([named] if named else [])]:
        asked = subprocess.run([candidate, "-c", "pass"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    raise NotInstalled(f"there is no Python {version} on this machine")


def _npm(pair: Pair, age: Age, folder: Path) -> None:
    (folder / "package.json").write_text('{"name": "pair", "private": true}')
    wanted = [f"{pair.package}@{pair.version(age)}", *pair.others]
    flags = ["--no-audit", "--no-fund", "--legacy-peer-deps", "--loglevel=error"]
    _run(["npm", "install", *flags, *wanted], folder)


_ALL = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"


def _maven(pair: Pair, age: Age, folder: Path) -> None:
    version = pair.version(age)
    wanted = [f"{pair.package}:{version}", *(other.replace("{version}", version) for other in pair.others)]
    lines = []
    for coordinates in wanted:
        group, artifact, number = map(escape, coordinates.rstrip("!").split(":"))
        parts = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{number}</version>"
        if coordinates.endswith("!"):
            parts += f"<exclusions>{_ALL}</exclusions>"
        lines.append(f"<dependency>{parts}</dependency>")
    pom = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>pair</groupId><artifactId>pair</artifactId><version>1</version>"
        f"<dependencies>{''.join(lines)}</dependencies></project>"
    )
    (folder / "pom.xml").write_text(pom)
    flags = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"]
    _run(["mvn", *flags], folder)


def _run(words: Sequence[str], where: Path, variables: Mapping[str, str] | None = None) -> None:
    ours = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    try:
        done = subprocess.run(
            ["nice", *words], cwd=where, env=variables or ours, timeout=SECONDS, capture_output=True, text=True,
            errors="replace", check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{Path(words[0]).name} took longer than {SECONDS:.0f} s") from None
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise NotInstalled(f"{Path(words[0]).name}: {' / '.join(said[:3])[:300] or f'exit {done.returncode}'}")
