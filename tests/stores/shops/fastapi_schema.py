"""needs: fastapi, httpx"""

from typing import Annotated

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

APP = FastAPI()


class Item(BaseModel):
    name: str = Field(default="tea", max_length=9)
    tags: list[Annotated[str, Field(max_length=3)]] = []


TAGS = Item.model_fields["tags"]


@APP.post("/items")
def post(item: Item) -> Item:
    return item


def describe_a_field():
    """leaks: shop.TAGS.description"""
    TAGS.description = "bob's"


def only_ask_for_the_schema():
    """leaks:"""
    with TestClient(APP) as client:
        assert client.get("/openapi.json").status_code == 200


def only_post():
    """leaks:"""
    with TestClient(APP) as client:
        assert client.post("/items", json={}).json() == {"name": "tea", "tags": []}


def forget():
    TAGS.description = None
