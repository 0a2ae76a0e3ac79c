"""Measures what a check costs: ``python -m tests.bench``."""
