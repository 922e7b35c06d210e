"""Floor 3: the durable queue; the only room that imports dbos."""
