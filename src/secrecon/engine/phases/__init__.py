"""The phases, one file each: plan what to ask, judge what came back. No I/O here."""
