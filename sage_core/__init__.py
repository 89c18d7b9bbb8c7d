"""The method: grouping, plans and shared sampling. Never imports from `nodes/`."""
