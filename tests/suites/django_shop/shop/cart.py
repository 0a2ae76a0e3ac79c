"""The cart, in the session and so in the database."""

from shop.models import Line, Order, Product


def add(session, product, quantity=1):
    """Put something in."""
    cart = session.setdefault("cart", {})
    cart[str(product.pk)] = cart.get(str(product.pk), 0) + quantity
    session.modified = True


def content(session):
    """Products with their quantities."""
    cart = session.get("cart", {})
    products = Product.objects.in_bulk([int(key) for key in cart])
    return [(products[int(key)], quantity) for key, quantity in cart.items() if int(key) in products]


def buy(session, customer):
    """Make an order of what is in the cart."""
    order = Order.objects.create(customer=customer)
    for product, quantity in content(session):
        Line.objects.create(order=order, product=product, quantity=quantity)
    session.pop("cart", None)
    return order
