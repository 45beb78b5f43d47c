"""From measured kernels to the latency of any architecture, and how well that holds."""
