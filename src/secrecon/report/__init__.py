"""Floor 3: grade, coverage, narrative and exports. Pure: a scan record in, a document out."""
