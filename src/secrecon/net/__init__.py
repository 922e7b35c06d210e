"""Floor 1: the only door out: scope gate, pacing, HTTP, DNS, TCP, TLS, clock."""
