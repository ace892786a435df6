"""faceshield: error-minimizing noise for personal photos (Huang et al., ICLR 2021)."""

__version__ = "0.1.0"
