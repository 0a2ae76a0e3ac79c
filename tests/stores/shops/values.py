"""needs:"""

import dataclasses
import enum
import types
import typing


class Colour(enum.Enum):
    RED = 1


class Feature(enum.Flag):
    CHEAP = enum.auto()
    GREEN = enum.auto()


@dataclasses.dataclass
class Cart:
    owner: str = ""
    items: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Order:
    state: str = "new"
    lines: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Rates:
    table: dict = dataclasses.field(default_factory=dict)


class Point(typing.NamedTuple):
    name: str
    visits: list


CART, ORDER, RATES = Cart(), Order(), Rates()
POINT = Point("home", [])
SIMPLE = types.SimpleNamespace(user=None)


def set_an_attribute_of_an_enum_member():
    """leaks: shop.Colour.RED.sold"""
    Colour.RED.sold = 3


def set_a_field_of_a_dataclass():
    """leaks: shop.CART.owner"""
    CART.owner = "bob"


def append_to_a_field_of_a_dataclass():
    """leaks: shop.CART.items"""
    CART.items.append("tea")


def set_a_field_of_a_slotted_dataclass():
    """leaks: shop.ORDER.state"""
    ORDER.state = "paid"


def fill_a_field_of_a_slotted_dataclass():
    """leaks: shop.ORDER.lines['tea']"""
    ORDER.lines["tea"] = 1


def fill_a_field_of_a_frozen_dataclass():
    """leaks: shop.RATES.table['EUR']"""
    RATES.table["EUR"] = 1.1


def append_within_a_namedtuple():
    """leaks: shop.POINT.visits"""
    POINT.visits.append("bob")


def set_a_name_of_a_simple_namespace():
    """leaks: shop.SIMPLE.user"""
    SIMPLE.user = "bob"


def combine_flags():
    """leaks:"""
    assert Feature.CHEAP | Feature.GREEN


def forget():
    if hasattr(Colour.RED, "sold"):
        del Colour.RED.sold
    CART.owner = ""
    CART.items.clear()
    ORDER.state = "new"
    ORDER.lines.clear()
    RATES.table.clear()
    POINT.visits.clear()
    SIMPLE.user = None
