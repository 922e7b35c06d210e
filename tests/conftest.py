"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from tests.certificates import make_certificate

pytest_plugins = ["tests.databases"]

settings.register_profile("secrecon", deadline=None)  # how long an example takes is for benchmarks, not for tests
settings.load_profile("secrecon")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for cb.test and its key, as PEM files."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
