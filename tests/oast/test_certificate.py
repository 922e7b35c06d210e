"""A certificate in use is replaced without a restart, and never by one that cannot be used."""

import ssl
from pathlib import Path

import pytest
from tests.certificates import make_certificate

from secrecon.model.errors import OperatorError
from secrecon.oast.certificate import Certificate


def presented(server: ssl.SSLContext) -> bytes:
    """The certificate that a client is shown."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    one, two = client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = one.getpeercert(binary_form=True)
    assert shown
    return shown


def test_new_files_are_used_for_new_connections(tmp_path: Path) -> None:
    used = Certificate(*make_certificate(tmp_path))
    first = presented(used.context)
    assert not used.look()
    make_certificate(tmp_path)
    assert used.look()
    assert presented(used.context) != first
    assert not used.look()


@pytest.mark.parametrize("file", [0, 1])
@pytest.mark.parametrize("text", [b"", b"half a file", None])
def test_files_that_cannot_be_used_leave_the_old_ones_in_use(tmp_path: Path, file: int, text: bytes | None) -> None:
    files = make_certificate(tmp_path)
    used = Certificate(*files)
    first = presented(used.context)
    if text is None:
        files[file].unlink()
    else:
        files[file].write_bytes(text)
    assert not used.look()
    assert presented(used.context) == first
    make_certificate(tmp_path)
    assert used.look()


def test_a_certificate_with_another_key_is_not_used(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    mine, other = make_certificate(tmp_path / "a"), make_certificate(tmp_path / "b")
    used = Certificate(*mine)
    first = presented(used.context)
    mine[0].write_bytes(other[0].read_bytes())
    assert not used.look()
    assert presented(used.context) == first
    with pytest.raises(OperatorError, match="belong together"):
        Certificate(*mine)
