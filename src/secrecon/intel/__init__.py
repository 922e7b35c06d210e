"""Floor 2: CVE knowledge: product records, ranges, lookup, freshness. Pure."""
