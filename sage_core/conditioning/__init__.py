"""ComfyUI's CONDITIONING as data: combined, dressed with a template, batched."""
