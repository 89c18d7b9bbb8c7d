"""What the nodes' panels on the page show."""
