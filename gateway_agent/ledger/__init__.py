"""What each device did: names, rows, sums, and the messages about them."""
