"""Ordinary work with the mapper of SQLAlchemy leaves nothing to tell of but what it should."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Project

if not os.environ.get("STATELESS_STORES"):
    pytest.importorskip("sqlalchemy")

SHOP = """
import sqlalchemy as sa
from sqlalchemy import orm

class Base(orm.DeclarativeBase): pass

class User(Base):
    __tablename__ = "users"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    posts: orm.Mapped[list["Post"]] = orm.relationship(back_populates="user", lazy="selectin")

class Post(Base):
    __tablename__ = "posts"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    user_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("users.id"))
    user: orm.Mapped[User] = orm.relationship(back_populates="posts")

ENGINE = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
Base.metadata.create_all(ENGINE)
Session = orm.sessionmaker(ENGINE)
LAST = []
"""
TESTS = """
import pytest
import shop
import sqlalchemy as sa
from shop import Post, Session, User
from sqlalchemy import orm

pytestmark = pytest.mark.stateless

def test_query():
    with Session() as session:
        session.execute(sa.select(User).where(User.name == "bob")).all()

def test_roll_back():
    with Session() as session:
        session.add(User(name="bob", posts=[Post()]))
        session.flush()
        session.rollback()

def test_add_and_delete():
    with Session() as session:
        user = User(name="bob", posts=[])
        session.add(user)
        session.commit()
        session.delete(user)
        session.commit()

def test_alias():
    str(sa.select(orm.aliased(User)).join(Post, Post.user_id == User.id).compile(shop.ENGINE))

def test_keeps_a_user():
    with Session() as session:
        shop.LAST.append(session.execute(sa.select(User.name)).all())

def test_listens():
    sa.event.listen(User, "load", lambda *_: None)
"""


def test_the_mapper_sets_itself_up(project: Project) -> None:
    Path("shop.py").write_text(SHOP)
    project.write("test_shop.py", TESTS)
    found = project.found("-p", "no:randomly")
    assert found.pop("test_shop.py::test_keeps_a_user") == ["module-state shop.LAST"]
    listening = found.pop("test_shop.py::test_listens")
    assert any("dispatch" in leak for leak in listening)
    assert found == {}
