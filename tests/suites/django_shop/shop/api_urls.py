"""Addresses of the API."""

from django.urls import include, path
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.routers import DefaultRouter

from shop import api

router = DefaultRouter()
router.register("categories", api.CategoryViewSet)
router.register("products", api.ProductViewSet, basename="api-product")
router.register("orders", api.OrderViewSet, basename="order")

urlpatterns = [path("", include(router.urls)), path("token/", obtain_auth_token, name="token")]
