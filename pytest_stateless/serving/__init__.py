"""Runs an application in a child process, under a real HTTP server."""

from __future__ import annotations

from pytest_stateless.serving.process import ServeError, ServerProcess
from pytest_stateless.serving.server import Note, ServedWindows, Server

__all__ = ["Note", "ServeError", "ServedWindows", "Server", "ServerProcess"]
