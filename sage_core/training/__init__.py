"""Trains a LoRA with L_SAGE on the host's model patcher."""
