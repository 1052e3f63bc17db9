"""Measurements of the agent on this machine; `python -m benchmarks` prints a table."""
