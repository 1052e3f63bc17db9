"""From a policy to rules in the kernel, and how they are kept."""
