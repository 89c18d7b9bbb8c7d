"""Who shares which steps, as a plan of plain data."""
