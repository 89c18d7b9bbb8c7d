"""What a good share is, on the user's own model and prompts."""
