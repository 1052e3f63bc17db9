"""SPIN's gateway agent: observes, names, counts, publishes and blocks the traffic of a home's devices."""

__version__ = "0.1.0"
