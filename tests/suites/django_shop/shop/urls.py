"""Addresses of the pages."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.ProductList.as_view(), name="product-list"),
    path("new/", views.ProductCreate.as_view(), name="product-new"),
    path("cart/", views.show_cart, name="cart"),
    path("buy/", views.buy, name="buy"),
    path("<slug:slug>/", views.ProductDetail.as_view(), name="product-detail"),
    path("<slug:slug>/add/", views.add, name="add"),
    path("<slug:slug>/price/<str:currency>/", views.price, name="price"),
]
