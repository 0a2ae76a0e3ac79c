"""needs: pydantic"""

import pydantic


class Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    currency: str = "EUR"
    rates: dict[str, float] = {}
    _user: str | None = pydantic.PrivateAttr(None)
    _log: list[str] = pydantic.PrivateAttr(default_factory=list)


class Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    rates: dict[str, float] = {}


SETTINGS = Settings(currency="EUR", rates={}, colour="red")
FROZEN = Frozen()


def set_a_field():
    """leaks: shop.SETTINGS.currency"""
    SETTINGS.currency = "USD"


def fill_a_field():
    """leaks: shop.SETTINGS.rates['USD']"""
    SETTINGS.rates["USD"] = 1.1


def set_a_private_attribute():
    """leaks: shop.SETTINGS.__pydantic_private__['_user']"""
    SETTINGS._user = "bob"


def append_to_a_private_attribute():
    """leaks: shop.SETTINGS.__pydantic_private__['_log']"""
    SETTINGS._log.append("bob")


def set_an_extra_field():
    """leaks: shop.SETTINGS.__pydantic_extra__['colour']"""
    SETTINGS.colour = "blue"


def fill_a_field_of_a_frozen_model():
    """leaks: shop.FROZEN.rates['USD']"""
    FROZEN.rates["USD"] = 1.1


def only_use_a_model():
    """leaks:"""
    assert Settings.model_validate_json(Settings(currency="USD").model_dump_json()).currency == "USD"
    assert Settings.model_json_schema()


def forget():
    SETTINGS.currency = "EUR"
    SETTINGS.rates.clear()
    SETTINGS._user = None
    SETTINGS._log.clear()
    SETTINGS.colour = "red"
    FROZEN.rates.clear()
