"""needs: numpy"""

import numpy as np

STOCK = np.zeros(4)
NAMES = np.array([None, None], dtype=object)
np.random.seed(1)
GENERATOR = np.random.default_rng(1)
_STATE = np.random.get_state()
_GENERATOR_STATE = GENERATOR.bit_generator.state


def change_an_element():
    """leaks: shop.STOCK*"""
    STOCK[1] = 3


def change_an_element_that_is_an_object():
    """leaks: shop.NAMES*"""
    NAMES[0] = "bob"


def seed_the_global_generator():
    """leaks: numpy.random*"""
    np.random.seed(7)


def draw_from_the_global_generator():
    """leaks:"""
    np.random.random()


def draw_from_a_generator():
    """leaks: shop.GENERATOR*"""
    GENERATOR.random()


def only_calculate():
    """leaks:"""
    assert (STOCK + 1).sum() == 4
    assert np.linalg.norm(STOCK) == 0


def forget():
    STOCK[:] = 0
    NAMES[:] = None
    np.random.set_state(_STATE)
    GENERATOR.bit_generator.state = _GENERATOR_STATE
