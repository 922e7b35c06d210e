"""Floor 2: the callback protocol core (bytes in, events out) and its thin socket shells."""
