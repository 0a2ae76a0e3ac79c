"""What happens when something else happens."""

from django.contrib.auth.signals import user_logged_in
from django.core.mail import send_mail
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal, receiver

from shop.models import Order, Visit

order_paid = Signal()


@receiver(user_logged_in)
def note_the_visit(sender, request, user, **kwargs):
    """Remember in the database that somebody came."""
    Visit.objects.create(customer=user)


@receiver(post_save, sender=Order)
def tell_of_payment(sender, instance, **kwargs):
    """Send mail once the order is stored."""
    if instance.status == Order.Status.PAID:
        order_paid.send(sender, order=instance)
        transaction.on_commit(lambda: thank(instance))


def thank(order):
    """Send a receipt."""
    send_mail(f"Order {order.pk}", f"Thank you for {order.total} €.", None, [order.customer.email])
