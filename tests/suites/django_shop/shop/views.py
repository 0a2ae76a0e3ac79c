"""Pages."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from django.views.generic import CreateView, DetailView, ListView

from shop import cart, rates
from shop.forms import AddForm, ProductForm
from shop.models import Product


class ProductList(ListView):
    """All that is in stock."""

    queryset = Product.objects.available().select_related("category")
    template_name = "shop/list.html"
    context_object_name = "products"


class ProductDetail(DetailView):
    """One product."""

    model = Product
    template_name = "shop/detail.html"

    def get_context_data(self, **kwargs):
        """With the form that puts it into the cart."""
        return super().get_context_data(form=AddForm(), **kwargs)


@method_decorator(permission_required("shop.add_product", raise_exception=True), name="dispatch")
class ProductCreate(CreateView):
    """For those who sell."""

    form_class = ProductForm
    template_name = "shop/form.html"


@require_POST
def add(request, slug):
    """Put a product into the cart."""
    product = get_object_or_404(Product, slug=slug)
    form = AddForm(request.POST)
    if form.is_valid():
        cart.add(request.session, product, form.cleaned_data["quantity"])
        messages.success(request, f"{product} is in your cart.")
    else:
        messages.error(request, "That didn't work.")
    return redirect("cart")


def show_cart(request):
    """What is in the cart."""
    return render(request, "shop/cart.html", {"content": cart.content(request.session)})


@login_required
@require_POST
def buy(request):
    """Order what is in the cart."""
    order = cart.buy(request.session, request.user)
    messages.success(request, f"Ordered for {order.total}.")
    return redirect("product-list")


def price(request, slug, currency):
    """The price in another currency."""
    product = get_object_or_404(Product, slug=slug)
    return JsonResponse({"price": str(product.price * rates.rate(currency))})
