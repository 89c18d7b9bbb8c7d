"""A second model on the demo model's scenes, of another family: for benchmarks and tests, not part of the pack."""
