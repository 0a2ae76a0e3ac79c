"""needs: attrs"""

import attrs


@attrs.define
class Slotted:
    owner: str = ""
    items: list = attrs.Factory(list)


@attrs.define(slots=False)
class Open:
    owner: str = ""
    items: list = attrs.Factory(list)


@attrs.frozen
class Frozen:
    rates: dict = attrs.Factory(dict)


SLOTTED, OPEN, FROZEN = Slotted(), Open(), Frozen()


def set_a_slot():
    """leaks: shop.SLOTTED.owner"""
    SLOTTED.owner = "bob"


def append_in_a_slot():
    """leaks: shop.SLOTTED.items"""
    SLOTTED.items.append("tea")


def set_a_field():
    """leaks: shop.OPEN.owner"""
    OPEN.owner = "bob"


def append_in_a_field():
    """leaks: shop.OPEN.items"""
    OPEN.items.append("tea")


def fill_a_frozen_instance():
    """leaks: shop.FROZEN.rates['EUR']"""
    FROZEN.rates["EUR"] = 1.1


def only_make_instances():
    """leaks:"""
    assert attrs.evolve(SLOTTED, owner="x") != SLOTTED
    assert attrs.asdict(OPEN)


def forget():
    SLOTTED.owner = OPEN.owner = ""
    SLOTTED.items.clear()
    OPEN.items.clear()
    FROZEN.rates.clear()
