"""Beside the floors: vulnerable and safe twin targets on loopback, for the demo and the tests."""
