"""db/migrations/versions."""
