"""The one place that keeps something in the process: exchange rates in the local-memory cache."""

from decimal import Decimal

from django.core.cache import cache

_RATES = {"CHF": Decimal("0.95"), "USD": Decimal("1.10")}


def rate(currency):
    """What an euro is worth; the next worker asks again."""
    return cache.get_or_set(f"rate:{currency}", lambda: _RATES[currency], timeout=60)
