"""The farm's command line: renders a prompt list in tasks, in a ComfyUI without a page."""
