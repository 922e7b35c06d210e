"""The fingerprints of a feed reach the scans of an installation: taken in, replaced, broken, and told in reports."""

from __future__ import annotations

import json
from pathlib import Path

from secrecon.app.feeds import Library
from secrecon.app.fingerprints import Prints
from secrecon.app.parts import build_info
from secrecon.app.settings import Settings
from secrecon.intel.core import load_core
from secrecon.service.feeds import import_files
from secrecon.service.feeds_state import FeedStore


def fingerprints(path: Path, *names: str) -> Path:
    apps = {name: {"cats": [1], "headers": {"x-made-up": name}} for name in names}
    path.write_text(json.dumps({"apps": apps}))
    return path


def test_a_feed_is_used_replaced_and_left_out_where_it_is_broken(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    store, prints = FeedStore(settings.data_dir), Prints(settings)
    alone = prints.current()
    assert prints.feeds() == ()
    (first,) = import_files(store, [fingerprints(tmp_path / "first.json", "Acme Shop")], 0.0)
    assert (first.problem, first.rows) == ("", 1)
    assert {entry.id for entry in prints.current().all} - {entry.id for entry in alone.all} == {"acme-shop"}
    assert prints.current() is prints.current()
    import_files(store, [fingerprints(tmp_path / "second.json", "Acme Shop", "Acme Mail")], 0.0)
    assert len(prints.current().all) == len(alone.all) + 2
    assert prints.current().digest != alone.digest
    info = build_info(Library(settings, load_core()), None, prints)
    (told,) = [feed for feed in info.feeds if feed.name == "fingerprints"]
    assert told.note.startswith("2 of 2 technologies are used")
    store.blob(store.load().entries["fingerprints"].sha256).write_bytes(b"{}")
    broken = Prints(settings)
    assert broken.current().digest == alone.digest
    assert broken.feeds()[0].note.startswith("alarm: ")


def test_a_file_of_another_shape_is_an_alarm_and_replaces_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    store = FeedStore(settings.data_dir)
    import_files(store, [fingerprints(tmp_path / "first.json", "Acme Shop")], 0.0)
    (tmp_path / "bad.json").write_text('{"apps": [], "cats": {}}')
    (outcome,) = import_files(store, [tmp_path / "bad.json"], 0.0)
    assert "not a file of fingerprints" in outcome.problem
    info = build_info(Library(settings, load_core()), None, Prints(settings))
    (told,) = [feed for feed in info.feeds if feed.name == "fingerprints"]
    assert told.note.startswith("alarm: ")
    assert told.note.endswith("the last good copy was used")
