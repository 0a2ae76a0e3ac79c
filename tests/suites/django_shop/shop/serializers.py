"""What the API shows and takes."""

from rest_framework import serializers

from shop.models import Category, Line, Order, Product


class CategorySerializer(serializers.ModelSerializer):
    """A shelf with the number of things on it."""

    products = serializers.IntegerField(source="products.count", read_only=True)

    class Meta:
        model = Category
        fields = ("id", "name", "products")


class ProductSerializer(serializers.HyperlinkedModelSerializer):
    """A product."""

    category = serializers.SlugRelatedField(slug_field="name", queryset=Category.objects.all())

    class Meta:
        model = Product
        fields = ("url", "category", "name", "slug", "price", "stock")
        extra_kwargs = {"url": {"view_name": "api-product-detail", "lookup_field": "slug"}}

    def validate_price(self, value):
        """Nothing for free."""
        if not value:
            raise serializers.ValidationError("Nothing is free.")
        return value


class LineSerializer(serializers.ModelSerializer):
    """A product in an order."""

    product = serializers.SlugRelatedField(slug_field="slug", queryset=Product.objects.all())

    class Meta:
        model = Line
        fields = ("product", "quantity")


class OrderSerializer(serializers.ModelSerializer):
    """An order with its lines."""

    lines = LineSerializer(many=True)
    total = serializers.DecimalField(max_digits=10, decimal_places=2, read_only=True)

    class Meta:
        model = Order
        fields = ("id", "status", "lines", "total")
        read_only_fields = ("status",)

    def create(self, validated_data):
        """The order first, then its lines."""
        lines = validated_data.pop("lines")
        order = Order.objects.create(**validated_data)
        Line.objects.bulk_create(Line(order=order, **line) for line in lines)
        return order
