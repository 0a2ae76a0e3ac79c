"""The API."""

from django.db import transaction
from rest_framework import filters, permissions, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from shop.models import Category, Order, Product
from shop.serializers import CategorySerializer, OrderSerializer, ProductSerializer


class CategoryViewSet(viewsets.ReadOnlyModelViewSet):
    """Shelves, to be looked at."""

    queryset = Category.objects.all()
    serializer_class = CategorySerializer


class ProductViewSet(viewsets.ModelViewSet):
    """Products."""

    queryset = Product.objects.select_related("category")
    serializer_class = ProductSerializer
    lookup_field = "slug"
    filter_backends = (filters.SearchFilter, filters.OrderingFilter)
    search_fields = ("name",)
    ordering_fields = ("price",)


class OrderViewSet(viewsets.ModelViewSet):
    """A customer's own orders."""

    serializer_class = OrderSerializer
    permission_classes = (permissions.IsAuthenticated,)

    def get_queryset(self):
        """Nobody else's."""
        return Order.objects.filter(customer=self.request.user).prefetch_related("lines__product")

    @transaction.atomic
    def perform_create(self, serializer):
        """For whoever asks."""
        serializer.save(customer=self.request.user)

    @action(detail=True, methods=["post"])
    def pay(self, request, pk=None):
        """Pay it, once."""
        order = self.get_object()
        if order.status == Order.Status.PAID:
            return Response({"detail": "Paid already."}, status=status.HTTP_409_CONFLICT)
        order.status = Order.Status.PAID
        order.save(update_fields=["status"])
        return Response(self.get_serializer(order).data)
