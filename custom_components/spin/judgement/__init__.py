"""What is noteworthy of what a device does: each module judges one kind of thing, `judge` asks them all."""
