"""needs: aiocache"""

import asyncio

import aiocache

CACHE = aiocache.SimpleMemoryCache()
PRICES = aiocache.SimpleMemoryCache(namespace="prices:")


@aiocache.cached(ttl=None)
async def rate(currency):
    return len(currency)


def remember_a_cart():
    """leaks: shop.CACHE._cache['bob']"""
    asyncio.run(CACHE.set("bob", ["tea"]))


def remember_for_a_while():
    """leaks:
    shop.PRICES._cache['prices:tea']
    shop.PRICES._handlers['prices:tea']
    """
    asyncio.run(PRICES.set("tea", 3, ttl=60))


def cache_a_function():
    """leaks: shop.rate.cache._cache["shoprate('EUR',)[]"]"""
    assert asyncio.run(rate("EUR")) == 3


def forget():
    asyncio.run(CACHE.clear())
    asyncio.run(PRICES.clear())
    asyncio.run(rate.cache.clear())
