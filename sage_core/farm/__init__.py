"""A farm renders a prompt list in tasks: it goes on where it was stopped, whatever runs the tasks."""
