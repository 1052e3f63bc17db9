"""Where the counts come from: the kernel's tables, or packets."""
