"""From prompts to groups of prompts that mean nearly the same."""
