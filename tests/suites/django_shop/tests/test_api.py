"""The API."""

from decimal import Decimal

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIRequestFactory, force_authenticate
from shop.api import OrderViewSet
from shop.models import Order, Product
from shop.serializers import ProductSerializer


def test_the_root_lists_the_collections(db, api):
    assert set(api.get("/api/").data) == {"categories", "products", "orders"}


def test_products_are_listed_in_pages(api, tea):
    data = api.get("/api/products/").json()
    assert data["count"] == 1
    assert data["results"][0]["url"] == "http://testserver/api/products/tea/"


def test_products_are_searched_and_ordered(api, tea):
    Product.objects.create(category=tea.category, name="Iced tea", slug="iced-tea", price=5)
    found = api.get("/api/products/", {"search": "tea", "ordering": "-price"}).json()["results"]
    assert [product["name"] for product in found] == ["Iced tea", "Tea"]


def test_shelves_count_their_products(api, tea):
    assert api.get(f"/api/categories/{tea.category.pk}/").json()["products"] == 1


def test_strangers_only_read(api, tea):
    assert api.delete("/api/products/tea/").status_code == 403


def test_customers_write(bobs_api, tea):
    product = {"category": "Drinks", "name": "Milk", "slug": "milk", "price": "1.20"}
    assert bobs_api.post("/api/products/", product).status_code == 201
    assert bobs_api.patch("/api/products/milk/", {"price": "1.30"}).json()["price"] == "1.30"
    assert bobs_api.delete("/api/products/milk/").status_code == 204


def test_nothing_is_free(bobs_api, tea):
    response = bobs_api.patch("/api/products/tea/", {"price": "0"})
    assert response.json() == {"price": ["Nothing is free."]}


def test_a_shelf_must_be_there(tea):
    serializer = ProductSerializer(data={"category": "Food", "name": "Bread", "slug": "bread", "price": "2"})
    assert not serializer.is_valid()
    assert serializer.errors["category"][0].code == "does_not_exist"


def test_orders_are_made_with_their_lines(bobs_api, bob, tea):
    response = bobs_api.post("/api/orders/", {"lines": [{"product": "tea", "quantity": 3}]})
    assert response.json()["total"] == "10.50"
    assert Order.objects.get().customer == bob


def test_orders_of_others_are_not_found(api, order, django_user_model):
    api.force_authenticate(django_user_model.objects.create_user("ann"))
    assert api.get(f"/api/orders/{order.pk}/").status_code == 404


def test_paying_sends_a_receipt(bobs_api, order, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert bobs_api.post(f"/api/orders/{order.pk}/pay/").json()["status"] == "paid"
    (mail,) = mailoutbox
    assert mail.to == ["bob@example.org"]
    assert "7 €" in mail.body


def test_an_order_is_paid_once(bobs_api, order):
    Order.objects.update(status=Order.Status.PAID)
    assert bobs_api.post(f"/api/orders/{order.pk}/pay/").status_code == 409


def test_a_token_is_a_login(api, bob, order):
    token = api.post("/api/token/", {"username": "bob", "password": "secret"}).json()["token"]
    assert Token.objects.get().key == token
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.get("/api/orders/").json()["count"] == 1


def test_a_session_is_a_login(api, bob):
    assert api.login(username="bob", password="secret")
    assert api.get("/api/orders/").status_code == 200
    api.logout()
    assert api.get("/api/orders/").status_code == 403


def test_a_view_alone(bob, order):
    request = APIRequestFactory().get("/")
    force_authenticate(request, bob)
    assert OrderViewSet.as_view({"get": "list"})(request).data["count"] == 1


def test_the_api_for_people(client, tea):
    page = client.get("/api/products/", headers={"accept": "text/html"})
    assert b"Product List" in page.content


def test_what_is_no_json_is_refused(bobs_api, db):
    response = bobs_api.post("/api/orders/", "{", content_type="application/json")
    assert response.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_an_order_that_fails_leaves_no_lines(bobs_api, tea, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ValueError("no lines")

    monkeypatch.setattr("shop.serializers.Line.objects.bulk_create", fail)
    with pytest.raises(ValueError, match="no lines"):
        bobs_api.post("/api/orders/", {"lines": [{"product": "tea", "quantity": 3}]})
    assert not Order.objects.exists()


def test_numbers_are_exact(api, tea):
    assert Decimal(api.get("/api/products/tea/").data["price"]) == Decimal("3.50")


def test_questions_about_the_api(api, tea):
    assert api.options("/api/products/").json()["name"] == "Product List"
