"""What the shop stores, all of it in the database."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Sum
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _


class Category(models.Model):
    """A shelf."""

    name = models.CharField(_("name"), max_length=50, unique=True)

    class Meta:
        verbose_name_plural = _("categories")
        ordering = ("name",)

    def __str__(self):
        return self.name


class ProductQuerySet(models.QuerySet):
    """What views ask products for."""

    def available(self):
        """Those that are in stock."""
        return self.filter(stock__gt=0)


class Product(models.Model):
    """Something to sell."""

    category = models.ForeignKey(Category, models.CASCADE, related_name="products")
    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(unique=True)
    price = models.DecimalField(_("price"), max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(_("in stock"), default=0)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (models.CheckConstraint(condition=models.Q(price__gte=0), name="price_not_negative"),)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        """Its page."""
        return reverse("product-detail", args=[self.slug])


class Order(models.Model):
    """What a customer bought at once."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        PAID = "paid", _("paid")

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="orders")
    status = models.CharField(max_length=4, choices=Status, default=Status.OPEN)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created",)

    def __str__(self):
        return f"{self.customer} {self.status}"

    @cached_property
    def total(self):
        """What it costs."""
        found = self.lines.aggregate(total=Sum(F("quantity") * F("product__price")))
        return found["total"] or Decimal(0)


class Line(models.Model):
    """A product in an order."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveIntegerField(default=1)

    def __str__(self):
        return f"{self.quantity} x {self.product}"


class Visit(models.Model):
    """Written by a receiver of a signal."""

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"{self.customer} {self.at}"
