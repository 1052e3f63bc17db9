"""Tests, and the simulated home that they share with the demo."""
