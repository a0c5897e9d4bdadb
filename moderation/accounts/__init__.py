"""Who may talk to us: sites with their keys and secrets, moderators, sessions, roles, and the audit."""
