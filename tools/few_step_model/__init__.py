"""Distils the demo model into a LoRA for four to eight steps without CFG."""
