"""Teaches the demo model short clips, as a LoRA."""
