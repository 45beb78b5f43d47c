"""Devices: profiles, their kernels, and how predictions for them held."""
