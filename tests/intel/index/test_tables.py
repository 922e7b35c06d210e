"""The index file: what was written is found, nothing else is, and a file that is not whole is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrecon.intel.index.tables import IndexBroken, Reader, Writer

ROWS = st.dictionaries(st.binary(max_size=12), st.binary(max_size=40), max_size=40)


def written(path: Path, **tables: dict[bytes, bytes]) -> Path:
    with Writer(path) as writer:
        for name, rows in tables.items():
            writer.table(name, sorted(rows.items()), "digest")
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=ROWS, second=ROWS, other=st.binary(max_size=12))
def test_rows_are_found_and_no_others(
    tmp_path: Path, first: dict[bytes, bytes], second: dict[bytes, bytes], other: bytes
) -> None:
    reader = Reader(written(tmp_path / "i", one=first, two=second))
    assert dict(reader.rows("one")) == first
    assert dict(reader.rows("two")) == second
    assert reader.get("one", other) == first.get(other)
    assert all(reader.get("two", key) == value for key, value in second.items())
    assert reader.get("three", other) is None
    assert reader.count("one") == len(first)
    reader.verify()
    reader.close()


def test_keys_come_in_order_and_once(tmp_path: Path) -> None:
    for rows in ([(b"b", b""), (b"a", b"")], [(b"a", b""), (b"a", b"")]):
        with pytest.raises(ValueError, match="not in order"), Writer(tmp_path / "i") as writer:
            writer.table("t", rows)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "i", one={b"a": b"1" * 100}).read_bytes()
    broken = tmp_path / "broken"
    for body in (b"", b"x", whole[:-1], whole[:60], whole[: len(whole) // 2], b"\0" * len(whole), whole + b"\0"):
        broken.write_bytes(body)
        with pytest.raises(IndexBroken):
            Reader(broken)
    middle = bytearray(whole)
    middle[-90] ^= 1  # in the directory
    broken.write_bytes(middle)
    with pytest.raises(IndexBroken):
        Reader(broken)


def test_damage_in_a_table_is_found_by_verify(tmp_path: Path) -> None:
    path = written(tmp_path / "i", one={b"a": b"1" * 100})
    body = bytearray(path.read_bytes())
    body[30] ^= 1
    path.write_bytes(body)
    reader = Reader(path)
    with pytest.raises(IndexBroken, match="table one"):
        reader.verify()
    reader.close()


def test_a_copied_table_is_the_same(tmp_path: Path) -> None:
    source = Reader(written(tmp_path / "old", one={b"k": b"v" * 5000}, two={b"x": b"y"}))
    with Writer(tmp_path / "new") as writer:
        writer.table("first", [(b"a", b"b")])
        writer.copy("two", source)
        writer.copy("one", source)
    source.close()
    reader = Reader(tmp_path / "new")
    reader.verify()
    assert (reader.get("one", b"k"), reader.get("two", b"x"), reader.get("first", b"a")) == (
        b"v" * 5000,
        b"y",
        b"b",
    )
    assert reader.places["one"].of == "digest"
    reader.close()


def test_a_replaced_file_stays_readable_for_who_has_it_open(tmp_path: Path) -> None:
    path = written(tmp_path / "i", one={b"a": b"old"})
    reader = Reader(path)
    written(path, one={b"a": b"new"})
    assert reader.get("one", b"a") == b"old"
    fresh = Reader(path)
    assert fresh.get("one", b"a") == b"new"
    reader.close()
    fresh.close()
