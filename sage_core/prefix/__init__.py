"""Prefixes that are kept, loaded and given more prompts."""
