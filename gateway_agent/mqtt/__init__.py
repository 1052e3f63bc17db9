"""The conversation with the broker."""
