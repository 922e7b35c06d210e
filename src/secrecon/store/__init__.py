"""Floor 2: tables, migrations and one repository per noun. No business rules."""
