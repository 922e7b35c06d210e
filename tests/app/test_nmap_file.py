"""The probe file of an installed nmap: found, left alone, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from secrecon.app import nmap_file
from secrecon.app.nmap_file import NmapFile
from secrecon.app.settings import load_settings
from secrecon.detect.service_rules import ServiceRules
from secrecon.model.errors import OperatorError

RULES = ServiceRules.load()


def file(wanted: str) -> NmapFile:
    return NmapFile(load_settings(nmap_probes=wanted), RULES)


def test_a_file_is_read_once_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probes = tmp_path / "nmap-service-probes"
    probes.write_text("Probe TCP NULL q||\nmatch toy m|^TOY| p/Toy/\n")
    monkeypatch.setattr(nmap_file, "PLACES", (tmp_path / "absent", probes))
    found = file("auto")
    known = found.patterns()
    assert known is not None
    assert (known[0].read, known[1]) == (1, str(probes))
    probes.unlink()
    assert found.patterns() is known
    assert file("auto").patterns() is None, "no nmap is no trouble"


def test_off_and_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nmap_file, "PLACES", (Path(__file__),))
    assert file("off").patterns() is None
    probes = tmp_path / "mine"
    probes.write_bytes(b"\xff\x00 not a probe file")
    known = file(str(probes)).patterns()
    assert known is not None
    assert known[0].read == 0
    with pytest.raises(OperatorError, match="SECRECON_NMAP_PROBES"):
        file(str(tmp_path / "absent"))
    gone = file(str(probes))
    probes.unlink()
    with pytest.raises(OperatorError, match="cannot be read"):
        gone.patterns()
