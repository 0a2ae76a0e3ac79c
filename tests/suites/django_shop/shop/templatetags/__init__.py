"""Tags and filters of the shop."""
