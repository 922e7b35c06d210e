"""Floor 3: the scan pipeline and its phases. Knows no database, queue, account or page."""
