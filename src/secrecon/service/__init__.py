"""Floor 4: use cases, one verb each. Transactions and permissions are decided here."""
