"""Whole test suites of well-kept libraries, and of a Django project of ours, with every test checked."""
