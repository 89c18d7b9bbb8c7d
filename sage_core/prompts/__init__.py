"""Prompt lists, and the models that encode them."""
