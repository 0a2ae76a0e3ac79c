"""needs:"""

import sqlite3

CONNECTION = sqlite3.connect(":memory:")
CONNECTION.execute("create table users (name text)")
CONNECTION.commit()


def insert_a_row():
    """leaks: shop.CONNECTION*"""
    with CONNECTION:
        CONNECTION.execute("insert into users values ('bob')")


def only_read():
    """leaks:"""
    assert CONNECTION.execute("select * from users").fetchall() == []


def roll_back():
    """leaks:"""
    CONNECTION.execute("insert into users values ('bob')")
    CONNECTION.rollback()


def forget():
    with CONNECTION:
        CONNECTION.execute("delete from users")
