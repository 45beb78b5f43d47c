"""Kernels: each file holds a reference, a Triton kernel, and one function that picks between them."""
