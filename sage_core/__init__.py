"""The method: grouping, plans, shared sampling, training. Never imports from `nodes/` or `routes/`."""
