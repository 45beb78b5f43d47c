"""The Pareto explorer of a job."""
