"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.certificates import make_certificate

pytest_plugins = ["tests.databases"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for cb.test and its key, as PEM files."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
