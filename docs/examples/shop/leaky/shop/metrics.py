"""Figures for the monitoring system, counted in memory and served on a port of their own."""

import os
from collections import Counter
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread

COUNTERS: Counter[str] = Counter(orders=0, revenue_cents=0)
_server: ThreadingTCPServer | None = None


def count_order(cents: int) -> None:
    COUNTERS.update(orders=1, revenue_cents=cents)
    start()


def render() -> str:
    return "".join(f"shop_{name}_total {value}\n" for name, value in COUNTERS.items())


def start() -> None:
    """Start the server, once, when there is something to see."""
    global _server
    if _server is None:
        _server = ThreadingTCPServer(("0.0.0.0", int(os.environ.get("METRICS_PORT", "9100"))), Page)
        Thread(target=_server.serve_forever, daemon=True).start()


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(render().encode())
