"""Who takes part: applications, invitations, status, and the sponsor tree."""
