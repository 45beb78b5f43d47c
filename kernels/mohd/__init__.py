"""Linear maps that read or write only some groups of the hidden dimension (MoHD)."""

from .operators import mohd_read, mohd_write
from .reference import mohd_read_reference, mohd_write_reference

__all__ = ["mohd_read", "mohd_read_reference", "mohd_write", "mohd_write_reference"]
