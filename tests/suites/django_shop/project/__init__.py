"""The project that the shop is an application of."""
