"""Filters of the shop's templates."""

from django import template

register = template.Library()


@register.filter
def euro(value):
    """A price for people."""
    return f"{value} €"
