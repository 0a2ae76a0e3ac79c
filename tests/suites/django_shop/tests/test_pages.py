"""The pages, as a browser sees them."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains, assertRedirects, assertTemplateUsed
from shop.forms import ProductForm
from shop.models import Order, Product, Visit


def test_the_list_shows_products_by_shelf(client, tea):
    response = client.get("/")
    assertTemplateUsed(response, "shop/list.html")
    assertContains(response, "<h2>Drinks</h2>")
    assertContains(response, "3.50 €")


@pytest.mark.django_db
def test_an_empty_shop(client):
    assertContains(client.get("/"), "Nothing here.")


def test_a_product_has_a_page(client, tea):
    assertContains(client.get(tea.get_absolute_url()), "csrfmiddlewaretoken")


@pytest.mark.django_db
def test_what_is_not_there_is_not_found(client):
    assert client.get("/coffee/").status_code == 404


def test_products_go_into_the_cart_of_the_session(client, tea):
    response = client.post("/tea/add/", {"quantity": 2}, follow=True)
    assertContains(response, "2 x Tea")
    assert client.session["cart"] == {str(tea.pk): 2}


def test_the_cart_of_another_is_empty(client, tea):
    assertContains(client.get("/cart/"), "Your cart is empty.")


def test_too_many_are_refused(client, tea):
    assertContains(client.post("/tea/add/", {"quantity": 99}, follow=True), "That didn&#x27;t work.")


def test_adding_is_not_for_get(client, tea):
    assert client.get("/tea/add/").status_code == 405


def test_buying_asks_for_a_login(client, tea):
    assertRedirects(client.post("/buy/"), "/accounts/login/?next=/buy/")


def test_buying_makes_an_order(client, bob, tea):
    client.force_login(bob)
    client.post("/tea/add/", {"quantity": 2})
    response = client.post("/buy/", follow=True)
    assertContains(response, "Ordered for 7")
    assert Order.objects.get(customer=bob).total == Decimal("7.00")
    assert "cart" not in client.session


def test_logging_in_is_noted(client, bob):
    response = client.post(reverse("login"), {"username": "bob", "password": "secret"})
    assertRedirects(response, "/")
    assert Visit.objects.get().customer == bob


def test_a_wrong_password_is_told(client, bob):
    assertContains(
        client.post(reverse("login"), {"username": "bob", "password": "x"}), "Please enter a correct"
    )


def test_logging_out(client, bob):
    client.force_login(bob)
    client.post(reverse("logout"))
    assert "_auth_user_id" not in client.session


def test_only_sellers_add_products(client, bob):
    client.force_login(bob)
    assert client.get("/new/").status_code == 403


def test_sellers_add_products(client, seller, tea):
    client.force_login(seller)
    form = {"category": tea.category.pk, "name": "Milk", "slug": "milk", "price": "1.20", "stock": 3}
    assertRedirects(client.post("/new/", form), "/milk/")
    assert Product.objects.get(slug="milk").stock == 3


def test_nobody_shouts(tea):
    form = ProductForm({"category": tea.category.pk, "name": "MILK", "slug": "milk", "price": 1, "stock": 3})
    assert form.errors == {"name": ["Please don't shout."]}


@pytest.mark.parametrize(("currency", "price"), [("CHF", "3.3250"), ("USD", "3.8500")])
def test_prices_in_other_currencies(client, tea, currency, price):
    assert client.get(f"/tea/price/{currency}/").json() == {"price": price}


def test_the_language_of_the_browser(client, bob):
    client.force_login(bob)
    assertContains(client.get("/", headers={"accept-language": "de"}), "Abmelden")


def test_another_time_zone(order):
    with timezone.override("Asia/Tokyo"):
        assert timezone.localtime(order.created).utcoffset() == dt.timedelta(hours=9)


@pytest.mark.django_db
def test_settings_of_a_test(client, settings):
    settings.ROOT_URLCONF = "shop.urls"
    settings.USE_TZ = False
    assert client.get("/cart/").status_code == 200
    assert client.get("/api/").status_code == 404


@pytest.mark.urls("shop.api_urls")
def test_addresses_of_a_test(db, client):
    assert client.get("/products/").status_code == 200


@pytest.mark.django_db
def test_an_async_view(async_client):
    from asgiref.sync import async_to_sync

    assert async_to_sync(async_client.get)("/cart/").status_code == 200


def test_a_live_server(live_server, transactional_db):
    from urllib.request import urlopen

    with urlopen(f"{live_server.url}/cart/") as response:
        assert b"Your cart is empty." in response.read()
