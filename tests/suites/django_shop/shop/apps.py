"""Tells Django of the shop."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The shop's own set-up."""

    name = "shop"

    def ready(self):
        """Connect the receivers of signals."""
        from shop import signals  # noqa: F401 - it connects them
