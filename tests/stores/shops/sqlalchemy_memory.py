"""needs: sqlalchemy"""

import sqlalchemy
import sqlalchemy.orm
import sqlalchemy.pool

ENGINE = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
METADATA = sqlalchemy.MetaData()
USERS = sqlalchemy.Table("users", METADATA, sqlalchemy.Column("name", sqlalchemy.String(20)))
METADATA.create_all(ENGINE)


def insert_a_row():
    """leaks: shop.ENGINE*"""
    with ENGINE.begin() as connection:
        connection.execute(USERS.insert().values(name="bob"))


def only_read():
    """leaks:"""
    with ENGINE.connect() as connection:
        assert connection.execute(USERS.select()).all() == []


def roll_back():
    """leaks:"""
    with ENGINE.connect() as connection:
        connection.execute(USERS.insert().values(name="bob"))
        connection.rollback()


def forget():
    with ENGINE.begin() as connection:
        connection.execute(USERS.delete())
