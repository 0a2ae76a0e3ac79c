"""The tables."""

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from shop.models import Category, Order, Product


def test_only_what_is_in_stock_is_available(tea):
    Product.objects.create(category=tea.category, name="Coffee", slug="coffee", price=4)
    assert list(Product.objects.available()) == [tea]


def test_an_order_knows_its_total(order):
    assert order.total == Decimal("7.00")


def test_an_empty_order_costs_nothing(bob):
    assert Order.objects.create(customer=bob).total == 0


def test_texts(tea, order):
    assert str(tea) == "Tea"
    assert str(tea.category) == "Drinks"
    assert str(order) == "bob open"
    assert str(order.lines.get()) == "2 x Tea"


def test_names_of_shelves_are_unique(tea):
    with pytest.raises(IntegrityError), transaction.atomic():
        Category.objects.create(name="Drinks")
    assert Category.objects.count() == 1


def test_no_price_is_negative(tea):
    with pytest.raises(IntegrityError), transaction.atomic():
        Product.objects.filter(pk=tea.pk).update(price=-1)


@pytest.mark.django_db(transaction=True)
def test_what_fails_half_way_is_undone():
    def fail():
        Category.objects.create(name="Drinks")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"), transaction.atomic():
        fail()
    assert not Category.objects.exists()


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_number_of_queries_of_a_total(order, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert order.total == order.total
