"""People and things that the tests share."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient
from shop.models import Category, Line, Order, Product


@pytest.fixture
def tea(db):
    """A product in stock."""
    shelf = Category.objects.create(name="Drinks")
    return Product.objects.create(category=shelf, name="Tea", slug="tea", price=Decimal("3.50"), stock=5)


@pytest.fixture
def bob(django_user_model):
    """A customer."""
    return django_user_model.objects.create_user("bob", "bob@example.org", "secret")


@pytest.fixture
def seller(django_user_model):
    """Somebody who may add products."""
    user = django_user_model.objects.create_user("eve", "eve@example.org", "secret")
    user.user_permissions.add(Permission.objects.get(codename="add_product"))
    return user


@pytest.fixture
def api():
    """A client of the API that nobody is logged in with."""
    return APIClient()


@pytest.fixture
def bobs_api(bob):
    """A client of the API that is bob's."""
    client = APIClient()
    client.force_authenticate(bob)
    return client


@pytest.fixture
def order(bob, tea):
    """Two of the product, ordered by bob."""
    order = Order.objects.create(customer=bob)
    Line.objects.create(order=order, product=tea, quantity=2)
    return order
