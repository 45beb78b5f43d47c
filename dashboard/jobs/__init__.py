"""All jobs: where each stands, and what can be done with it."""
