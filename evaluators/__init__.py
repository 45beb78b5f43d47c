"""Ray workers: train the supernet, score subnets, fine-tune finalists; tasks and data."""
