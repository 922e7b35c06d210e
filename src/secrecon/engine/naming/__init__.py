"""How the names of an organisation are searched for: candidates, records, wildcards, walking a zone, and the search itself."""
