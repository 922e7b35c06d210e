"""The probe file of an nmap that is installed on this machine: found, read once, and handed to scans. Never bundled."""

from __future__ import annotations

import threading
from pathlib import Path

from secrecon.app.settings import Settings
from secrecon.detect.nmap_probes import MAX_FILE, NmapPatterns
from secrecon.detect.service_rules import ServiceRules
from secrecon.model.errors import OperatorError

AUTO, OFF = "auto", "off"
PLACES = tuple(
    Path(folder) / "nmap" / "nmap-service-probes"
    for folder in ("/usr/share", "/usr/local/share", "/opt/homebrew/share", "/opt/local/share")
)


class NmapFile:
    """`patterns()` gives the compiled patterns and the file's name, None where there is none or it is not wanted.

    Raises OperatorError for a file that the settings name and that cannot be read. Reading takes a third of a second and
    happens when a scan first needs it.
    """

    def __init__(self, settings: Settings, rules: ServiceRules) -> None:
        self._wanted = settings.nmap_probes
        self._rules = rules
        self._lock = threading.Lock()
        self._known: tuple[NmapPatterns, str] | None = None
        self._read = self._wanted == OFF
        if self._wanted not in (AUTO, OFF) and not Path(self._wanted).is_file():
            raise OperatorError(
                f"SECRECON_NMAP_PROBES: {self._wanted} is no file; name nmap's nmap-service-probes, auto or off"
            )

    def patterns(self) -> tuple[NmapPatterns, str] | None:
        """May be called from any thread."""
        with self._lock:
            if not self._read:
                self._known = self._load()
                self._read = True
            return self._known

    def _load(self) -> tuple[NmapPatterns, str] | None:
        places = PLACES if self._wanted == AUTO else (Path(self._wanted),)
        for place in places:
            try:
                with place.open("rb") as file:
                    text = file.read(MAX_FILE).decode("latin-1")
            except OSError as error:
                if self._wanted != AUTO:
                    raise OperatorError(
                        f"SECRECON_NMAP_PROBES: {place} cannot be read: {error.strerror}"
                    ) from error
                continue
            return NmapPatterns(text, [probe.data for probe in self._rules.probes.values()]), str(place)
        return None
