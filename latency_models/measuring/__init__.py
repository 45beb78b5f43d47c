"""Kernel calls and whole models timed on a device, and the memory that torch says they took."""
