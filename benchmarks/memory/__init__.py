"""What the integration's memory costs Home Assistant."""
