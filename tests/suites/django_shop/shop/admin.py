"""The shop in Django's admin."""

from django.contrib import admin

from shop.models import Category, Line, Order, Product

admin.site.register(Category)


class LineInline(admin.TabularInline):
    """The products of an order."""

    model = Line
    extra = 0


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products."""

    list_display = ("name", "category", "price", "stock")
    list_filter = ("category",)
    search_fields = ("name",)
    prepopulated_fields = {"slug": ("name",)}
    actions = ("sell_out",)

    @admin.action(description="Nothing left")
    def sell_out(self, request, queryset):
        """Take all of it from stock."""
        self.message_user(request, f"{queryset.update(stock=0)} sold out.")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """Orders with their lines."""

    list_display = ("customer", "status", "created")
    inlines = (LineInline,)
