"""Who may compare which scans: a report by link opens that report, and no other one of its target."""

from __future__ import annotations

import pytest
from tests.service.test_triage import scan

from secrecon.accounts.caller import Caller
from secrecon.model.errors import NotFound
from secrecon.service.comparing import compare_scans
from secrecon.service.context import Context


async def test_a_reader_by_link_is_not_told_which_scan_was_before(ctx: Context, ada: Caller, bob: Caller) -> None:
    first, second = [(await scan(ctx, ada, via_api=True)).db_scan_id for _ in range(2)]
    assert (await compare_scans(ctx, second, None, ada, "here")).earlier.db_scan_id == first
    for reader in (None, bob):
        with pytest.raises(NotFound, match="for the account alone"):
            await compare_scans(ctx, second, None, reader, "elsewhere")
        both = await compare_scans(ctx, second, first, reader, "elsewhere")
        assert both.earlier.db_scan_id == first
