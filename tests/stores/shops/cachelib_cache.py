"""needs: cachelib"""

import cachelib

CACHE = cachelib.SimpleCache()


def remember_a_cart():
    """leaks: shop.CACHE._cache['bob']"""
    CACHE.set("bob", ["tea"])


def count_visits():
    """leaks: shop.CACHE._cache['visits']"""
    CACHE.inc("visits")


def forget():
    CACHE.clear()
