"""needs: limits"""

import limits

STORAGE = limits.storage.MemoryStorage()
FIXED = limits.strategies.FixedWindowRateLimiter(STORAGE)
MOVING = limits.strategies.MovingWindowRateLimiter(STORAGE)


def count_in_a_fixed_window():
    """leaks:
    shop.STORAGE.storage['LIMITER/bob/5/1/minute']
    shop.STORAGE.*['LIMITER/bob/5/1/minute']
    """
    assert FIXED.hit(limits.parse("5/minute"), "bob")


def count_in_a_moving_window():
    """leaks:
    shop.STORAGE.events['LIMITER/bob/5/1/minute']
    shop.STORAGE.*['LIMITER/bob/5/1/minute']
    """
    assert MOVING.hit(limits.parse("5/minute"), "bob")


def forget():
    STORAGE.reset()
