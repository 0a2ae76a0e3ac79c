"""The admin, and what is signalled."""

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import RequestFactory, TestCase, override_settings
from pytest_django.asserts import assertContains
from shop import signals
from shop.models import Category, Order
from shop.views import show_cart


@pytest.mark.parametrize("page", ["", "shop/product/", "shop/order/", "shop/category/add/", "auth/user/"])
def test_pages_of_the_admin(admin_client, order, page):
    assert admin_client.get(f"/admin/{page}").status_code == 200


def test_strangers_log_in_first(client, db):
    assert client.get("/admin/").status_code == 302


def test_a_product_is_changed(admin_client, tea):
    form = {"category": tea.category.pk, "name": "Green tea", "slug": "tea", "price": "4", "stock": 1}
    assert admin_client.post(f"/admin/shop/product/{tea.pk}/change/", form).status_code == 302
    tea.refresh_from_db()
    assert tea.name == "Green tea"


def test_products_are_searched(admin_client, tea):
    assertContains(admin_client.get("/admin/shop/product/", {"q": "tea"}), "1 product")


def test_an_action(admin_client, tea):
    form = {"action": "sell_out", "_selected_action": [tea.pk]}
    assertContains(admin_client.post("/admin/shop/product/", form, follow=True), "1 sold out.")


def test_an_order_is_shown_with_its_lines(admin_client, order):
    assertContains(admin_client.get(f"/admin/shop/order/{order.pk}/change/"), "lines-0-quantity")


def test_receivers_are_told_of_payment(order):
    told = []

    def receive(sender, order, **_kwargs):
        told.append(order)

    signals.order_paid.connect(receive)
    try:
        order.status = Order.Status.PAID
        order.save()
    finally:
        signals.order_paid.disconnect(receive)
    assert told == [order]


def test_a_view_without_a_client(rf, db):
    request = rf.get("/cart/")
    request.session = {}
    request.user = None
    assert show_cart(request).status_code == 200


class CategoryTests(TestCase):
    """Tests in the manner of Django."""

    @classmethod
    def setUpTestData(cls):
        """For all of them."""
        cls.shelf = Category.objects.create(name="Drinks")

    def test_renaming(self):
        self.shelf.name = "Food"
        self.shelf.save()
        assert Category.objects.get().name == "Food"

    def test_still_as_it_was(self):
        assert Category.objects.get().name == self.shelf.name == "Drinks"

    @override_settings(
        LANGUAGE_CODE="de", CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    )
    def test_other_settings(self):
        cache.set("a", 1)
        assert cache.get("a") is None
        assert self.client.get("/cart/").status_code == 200

    def test_callbacks_after_the_transaction(self):
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            Group.objects.create(name="sellers")
        assert callbacks == []

    def test_a_request_made_by_hand(self):
        assert RequestFactory().get("/").path == "/"
