"""Floor 3: users, sessions, keys, plans, credits, authorized targets and the audit log."""
