"""needs: cachetools"""

import cachetools

SESSIONS = cachetools.TTLCache(maxsize=100, ttl=600)
CARTS = cachetools.LRUCache(maxsize=100)


@cachetools.cached(cache={})
def rate(currency):
    return len(currency)


@cachetools.cached(cache=cachetools.LRUCache(maxsize=10))
def price(product):
    return len(product)


class Catalogue:
    def __init__(self):
        self.cache = cachetools.LFUCache(maxsize=10)

    @cachetools.cachedmethod(lambda self: self.cache)
    def size(self, product):
        return len(product)


CATALOGUE = Catalogue()


def log_in():
    """leaks:
    shop.SESSIONS._Cache__data['bob']
    shop.SESSIONS._*
    """
    SESSIONS["bob"] = {"user": "bob"}


def remember_a_cart():
    """leaks:
    shop.CARTS._Cache__data['bob']
    shop.CARTS._*
    """
    CARTS["bob"] = ["tea"]


def cache_a_function_in_a_dict():
    """leaks: shop.rate.cache[('EUR',)]"""
    rate("EUR")


def cache_a_function():
    """leaks:
    shop.price.cache._Cache__data[('tea',)]
    shop.price.cache._*
    """
    price("tea")


def cache_a_method():
    """leaks:
    shop.CATALOGUE.cache._Cache__data[('tea',)]
    shop.CATALOGUE.cache._*
    """
    CATALOGUE.size("tea")


def forget():
    SESSIONS.clear()
    CARTS.clear()
    rate.cache.clear()
    price.cache.clear()
    CATALOGUE.cache.clear()
