"""Files are opened by content, as streams, with bounds; what is cut off or a bomb is broken, never short."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.intel import madeup

from secrecon.intel.feeds.archives import tar_members, zip_members
from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.jsonstream import Member, members
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.feeds.opening import FREE_PLAIN, head, plain_chunks, whole
from secrecon.intel.feeds.sniff import sniff

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
BODY = b"".join(f"line {number}\n".encode() for number in range(40_000))


@pytest.mark.parametrize("packer", PACKERS)
def test_every_packing_gives_the_same_bytes(packer: str) -> None:
    packed = PACKERS[packer](BODY)
    assert b"".join(plain_chunks(io.BytesIO(packed))) == BODY
    assert b"".join(plain_chunks(io.BytesIO(packed + packed if packer != "plain" else packed))).startswith(BODY)
    assert head(io.BytesIO(packed), 6) == b"line 0"
    with pytest.raises(FeedBroken, match="more than"):
        whole(io.BytesIO(packed), 1000)


@pytest.mark.parametrize("packer", ["gzip", "xz", "zstd"])
@pytest.mark.parametrize("keep", [7, 100, -1])
def test_a_packed_file_that_is_cut_off_is_broken(packer: str, keep: int) -> None:
    with pytest.raises(FeedBroken, match="damaged or cut off"):
        list(plain_chunks(io.BytesIO(PACKERS[packer](BODY)[:keep])))


@pytest.mark.parametrize("packer", ["gzip", "xz", "zstd"])
def test_a_bomb_ends_with_an_error_after_its_first_megabytes(packer: str) -> None:
    bomb = PACKERS[packer](bytes(60_000_000))
    seen = 0
    with pytest.raises(FeedBroken, match="bomb"):
        for chunk in plain_chunks(io.BytesIO(bomb)):
            seen += len(chunk)
    assert seen <= FREE_PLAIN


def test_a_bomb_behind_an_honest_beginning_is_one_all_the_same() -> None:
    honest = random.Random(1).randbytes(200_000)
    seen = 0
    with pytest.raises(FeedBroken, match="bomb"):
        for chunk in plain_chunks(io.BytesIO(gzip.compress(honest + bytes(50_000_000)))):
            seen += len(chunk)
    assert seen < 45_000_000


def test_an_archive_of_many_bombs_is_one() -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.json", bytes(9_000_000))
        archive.writestr("last.json", random.Random(1).randbytes(500_000))
    seen = 0
    with pytest.raises(FeedBroken, match="bomb"):
        for _ in zip_members(body, (".json",)):
            seen += 1
    assert seen == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(max_size=8), JSON, max_size=6), size=st.integers(1, 17))
def test_members_are_those_of_the_standard_library(value: dict[str, object], size: int) -> None:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    expected: list[Member] = []
    for key, inner in value.items():
        if isinstance(inner, list):
            expected += [Member(key, element, number) for number, element in enumerate(inner)]
        else:
            expected.append(Member(key, inner))
    assert list(members(chunks)) == expected


@given(body=st.binary(max_size=60), cut=st.integers(1, 40))
def test_text_that_is_no_whole_object_is_broken(body: bytes, cut: int) -> None:
    good = b'{"a": [1, {"b": "x"}, 2.5], "c": {"d": [true]}}'
    with pytest.raises(FeedBroken):
        list(members([good[:-cut] + b"\x00" + body]))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":NaN}',
        b'{"a":1}{',
        b'{"a":[1,]}',
        b'{"a" 1}',
        b"[" * 100_000,
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_other_broken_texts(text: bytes) -> None:
    with pytest.raises(FeedBroken):
        list(members([text]))


def zipped(**files: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def tarred(*entries: tuple[str, bytes | None]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return body.getvalue()


def test_archives_give_files_and_nothing_else() -> None:
    inner = zipped(**{"x.json": b"{}"})
    found = list(zip_members(io.BytesIO(zipped(**{"../a.json": b"1", "b.txt": b"2", "c.zip": inner})), (".json",)))
    assert [(file.name, file.body) for file in found] == [("../a.json", b"1"), ("x.json", b"{}")]
    packed = tarred(("a.json", b"1"), ("link.json", None), ("d/b.json", b"22"))
    for body in (packed, gzip.compress(packed)):
        assert [(file.name, file.body) for file in tar_members(io.BytesIO(body), (".json",))] == [
            ("a.json", b"1"),
            ("d/b.json", b"22"),
        ]


def test_archives_that_are_cut_off_or_bombs() -> None:
    packed = zipped(**{"a.json": b"x" * 1000})
    with pytest.raises(FeedBroken, match="damaged"):
        list(zip_members(io.BytesIO(packed[:-10]), (".json",)))
    with pytest.raises(FeedBroken, match="more than"):
        list(zip_members(io.BytesIO(zipped(**{"a.json": bytes(30_000_000)})), (".json",)))
    tar = tarred(("a.json", b"x" * 2000))
    for keep in (600, 1500, 3000):
        with pytest.raises(FeedBroken, match="cut off"):
            list(tar_members(io.BytesIO(tar[:keep]), (".json",)))
    many = zipped(**{f"{number}.json": bytes(15_000_000) for number in range(5)})
    with pytest.raises(FeedBroken, match="bomb"):
        list(zip_members(io.BytesIO(many), (".json",)))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (madeup.nvd(madeup.cve("CVE-2026-1000")), Kind.NVD),
        (lzma.compress(madeup.nvd()), Kind.NVD),
        (madeup.kev("CVE-2026-1000"), Kind.KEV),
        (madeup.epss({"CVE-2026-1000": (0.1, 0.2)}), Kind.EPSS),
        (madeup.ssvc({"CVE-2026-1000": ("none", "no", "partial")}), Kind.SSVC),
        (madeup.osv(madeup.osv_record("P-1", "PyPI", "a")), Kind.OSV),
        (madeup.retire(), Kind.RETIRE),
        (b'{"apps": {"X": {"cats": [1]}}}', Kind.FINGERPRINTS),
        (b'{"_annotation": {"cve_id": "CVE-2026-1"}, "cve": {"configurations": []}}', Kind.OVERRIDES),
        (b'{"dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {}}', Kind.CVE5),
        (tarred(("LICENSE.json", b'{"a": 1}'), ("t/x.yaml", b"id: x\ninfo:\n  name: x\n")), Kind.TEMPLATES),
        (b"id: x\n\ninfo:\n  name: X\n", Kind.TEMPLATES),
    ],
)
def test_formats_are_told_by_their_content(body: bytes, kind: Kind) -> None:
    assert sniff(io.BytesIO(body)) is kind


@pytest.mark.parametrize("body", [b"", b"hello", b"{}", b"<html>", zipped(), zipped(a=b"b"), b"\x1f\x8b\x08"])
def test_what_is_none_of_them_is_refused(body: bytes) -> None:
    with pytest.raises(FeedBroken):
        sniff(io.BytesIO(body))
