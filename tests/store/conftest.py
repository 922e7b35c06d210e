"""One account and the nouns a scan stores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.scan import QUICK_BUDGET, EngineInfo, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.store import scans, users
from secrecon.store.database import Database

ENGINE = EngineInfo("0.1.0", "d" * 64)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A database with one account, and ways to put scans into it."""

    db: Database
    account_id: int

    async def add_scan(
        self, number: int = 1, target: str = "http://shop.acme.test:8080", at: float = 1000.0, via_api: bool = True
    ) -> str:
        spec = ScanSpec(f"{number:032x}", parse_target(target), ScanMode.QUICK, Touch.LIGHT, QUICK_BUDGET)
        async with self.db.transaction() as tx:
            await scans.add(
                tx,
                account_id=self.account_id,
                db_scan_id=2**51 + number,
                spec=spec,
                engine=ENGINE,
                via_api=via_api,
                at=at,
            )
        return spec.scan_id


@pytest.fixture
async def shelf(db: Database) -> Shelf:
    async with db.transaction() as tx:
        account_id = await users.add_account(tx, "business", 1000.0)
    return Shelf(db, account_id)


PROBLEM = Finding(
    check="exposure.git",
    title="A .git folder is served",
    severity=Severity.HIGH,
    asset="http://shop.acme.test:8080",
    location="/.git/HEAD",
    evidence_level=EvidenceLevel.BEHAVIOUR,
    confidence=1.0,
    evidence=(),
    description="The repository can be downloaded.",
    impact="Source code and its history leak.",
    remediation="Do not deploy .git.",
)


@pytest.fixture
def problem() -> Finding:
    return PROBLEM


@pytest.fixture
def minor() -> Finding:
    return replace(PROBLEM, check="hygiene.csp-missing", location="", severity=Severity.INFO, title="No CSP")
