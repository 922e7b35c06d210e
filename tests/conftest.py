"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from tests.certificates import make_certificate

pytest_plugins = ["tests.databases"]

# How long an example takes is for benchmarks, not for tests. Where many changes wait for one verdict the examples are
# the same each time; on a developer's machine they are new ones.
settings.register_profile("secrecon", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("secrecon")


@pytest.fixture(autouse=True)
def _log_settings_last_one_test() -> Iterator[None]:
    """A command that a test runs in this process sets up its log; the next test must not find it."""
    configured, before = structlog.is_configured(), structlog.get_config()
    yield
    if configured:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for cb.test and its key, as PEM files."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
