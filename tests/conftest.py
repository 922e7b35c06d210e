"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.databases"]

settings.register_profile("secrecon", deadline=None)  # how long an example takes is for benchmarks, not for tests
settings.load_profile("secrecon")
