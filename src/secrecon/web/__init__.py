"""Floor 5: the dashboard's pages, templates and static files. Calls the same services as `api`."""
