"""A search job from file to front: config, proposers, the loop, stages, resume."""
