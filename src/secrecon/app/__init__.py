"""Floor 6: the composition root; the only place that picks implementations."""
