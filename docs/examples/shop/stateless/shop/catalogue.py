"""What is for sale and who may buy: fixed when the shop is released, so every process has the same."""

from collections.abc import Mapping
from types import MappingProxyType

#: Prices in cents.
PRODUCTS: Mapping[str, int] = MappingProxyType({"Green tea": 350, "Black tea": 320, "Tea pot": 2400})

#: Password hashes, made with `werkzeug.security.generate_password_hash`. The password is the name.
CUSTOMERS: Mapping[str, str] = MappingProxyType(
    {
        "alice": "scrypt:32768:8:1$cmPEIRkTjby2zUsC$"
        "5bdcf8cfd4f8ab85abadfd7af16b7230cfeb9974f8d1bb006da55c2deec2b247"
        "4dbcc6198250991fc06eb066db30afc4dd976f818d1e65593129bb086a3edcf6",
        "bob": "scrypt:32768:8:1$rUncP1HKp41gqD5b$"
        "e68d95d5de8970dd94b2dbde4ac7d7ae50fe8bb774b355052b7d28868dce7953"
        "925be6288eb87a810cb9701097d301d6b1255b28fb28048d2e2801fc925e6d3c",
        "carol": "scrypt:32768:8:1$jRmPsYlWB1TiFcrq$"
        "45990c2a6490dad9a60129d90f6b29d412afed17f8d452bc021cd74fe7ed7ec9"
        "6b0e5520d115c9c13e997bd0be64660346802887e739f99968aa570c405892fd",
    }
)
