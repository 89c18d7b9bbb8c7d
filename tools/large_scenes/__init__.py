"""A harder domain for benchmarks: three to five things in two rows, 192 x 192 pixels. Not part of the pack."""
