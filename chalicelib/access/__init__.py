"""Who may enter: keys, sessions, scopes, and the audit log of what people did."""
