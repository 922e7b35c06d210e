"""Readers of public vulnerability feeds: bytes in, normalised records out. Pure: no network, no state, no index."""
