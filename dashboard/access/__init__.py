"""Who may change something, and what every request passes."""
