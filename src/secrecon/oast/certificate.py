"""The certificate of the listener's encrypted sides: read from files, and read again when they change.

The one TLS context is given to the servers once; connections made after a reload use the new certificate. Files that do
not fit each other, as while they are being written, leave the old certificate in use.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock

LOOK_EVERY = 10.0
log_ = structlog.get_logger("secrecon.oast")


class Certificate:
    """`chain`: the certificate and its issuers, PEM; `key`: PEM. Raises OperatorError where they cannot be used."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self.context = _context()
        self._stamp = self._stamps()
        try:
            self.context.load_cert_chain(chain, key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise OperatorError(
                f"the callback listener's certificate {chain} and key {key} cannot be used: {error}; give PEM files that"
                " belong together, the key without a password"
            ) from error

    def look(self) -> bool:
        """Read the files again where they changed; whether a new certificate is in use."""
        stamp = self._stamps()
        return stamp != self._stamp and self.reload(stamp)

    def reload(self, stamp: tuple[tuple[int, int, int], ...] | None = None) -> bool:
        """Read the files again; whether they could be used."""
        try:
            _context().load_cert_chain(self._chain, self._key)
            self.context.load_cert_chain(self._chain, self._key)
        except (OSError, ValueError) as error:
            log_.error("the new certificate cannot be used; the old one stays", error=str(error))
            return False
        self._stamp = stamp or self._stamps()
        log_.info("the callback listener's certificate was read again", file=str(self._chain))
        return True

    async def watch(self, clock: Clock) -> None:
        """Look every few seconds, for ever."""
        while True:
            await clock.sleep(LOOK_EVERY)
            self.look()

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for file in (self._chain, self._key):
            try:
                stat = file.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
