"""supernet/export."""
