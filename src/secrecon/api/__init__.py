"""Floor 5: REST, WebSocket and SSE. Parse, call a service, shape the answer; no rules live here."""
