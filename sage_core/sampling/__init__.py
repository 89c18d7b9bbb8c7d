"""From groups to latents: shared and branched runs of ComfyUI's samplers."""
