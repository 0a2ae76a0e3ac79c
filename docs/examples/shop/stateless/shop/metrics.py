"""Figures for the monitoring system, computed from the database: the same whichever process is asked."""

from shop import database


def render() -> str:
    with database.transaction() as execute:
        query = "SELECT COUNT(DISTINCT number), COALESCE(SUM(quantity * cents), 0) FROM lines"
        orders, revenue = execute(query).fetchone()
    return f"shop_orders_total {orders}\nshop_revenue_cents_total {revenue}\n"
