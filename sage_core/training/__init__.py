"""Trains a LoRA with L_SAGE on ComfyUI's model patcher."""
