"""Floor 2: fingerprints, exposure checks, SSRF planning and judging. Pure."""
