"""What is drawn and saved: grids, heat maps, PNG files."""
