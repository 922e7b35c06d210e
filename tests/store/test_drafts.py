"""What a language model wrote is kept once and comes back with the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secrecon.model.draft import Audience, Draft, DraftSentence
from secrecon.store import drafts, records

if TYPE_CHECKING:
    from tests.store.conftest import Shelf

DRAFT = Draft(
    "little", (DraftSentence(Audience.DIRECTOR, "A \x00 hostile \ud800 word.", (3, 4)),), "", 1, 1, 900, 80, 2.5
)


async def test_the_first_draft_stays(shelf: Shelf) -> None:
    scan_id = await shelf.add_scan()
    async with shelf.db.transaction() as tx:
        assert await drafts.of_scan(tx, scan_id) is None
        assert await drafts.put(tx, scan_id, DRAFT, 1001.0)
        assert not await drafts.put(tx, scan_id, Draft("other", ()), 1002.0)
    async with shelf.db.reading() as tx:
        record = await records.load_record(tx, 2**51 + 1, 9e9)
    assert record.draft is not None
    assert (record.draft.model, record.draft.tokens_in, record.draft.seconds) == ("little", 900, 2.5)
    assert record.draft.sentences[0].findings == (3, 4)
