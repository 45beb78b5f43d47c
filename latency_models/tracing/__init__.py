"""What a model launches and holds in memory, found by running its sections on tensors without content."""
