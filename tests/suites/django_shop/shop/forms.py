"""What visitors fill in."""

from django import forms
from django.core.exceptions import ValidationError

from shop.models import Product


class AddForm(forms.Form):
    """How many of a product."""

    quantity = forms.IntegerField(min_value=1, max_value=10, initial=1)


class ProductForm(forms.ModelForm):
    """For those who sell."""

    class Meta:
        model = Product
        fields = ("category", "name", "slug", "price", "stock")

    def clean_name(self):
        """No shouting."""
        name = self.cleaned_data["name"]
        if name.isupper():
            raise ValidationError("Please don't shout.")
        return name
