"""Token mixers for images: every place of a grid sees the others. Maps are channels-last, (B, H, W, D)."""
