"""Runs an application in a child process, under a real HTTP server."""

from __future__ import annotations

from pytest_stateless.serving.child import Inside, Note
from pytest_stateless.serving.process import ServeError, ServerProcess
from pytest_stateless.serving.server import ServedWindows, Server

__all__ = ["Inside", "Note", "ServeError", "ServedWindows", "Server", "ServerProcess"]
