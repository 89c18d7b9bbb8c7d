"""How good sampled images are, and how different."""
