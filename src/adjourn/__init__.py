"""Webhooks for meetings: send them, receive them, never lose one."""

__all__ = ["__version__"]

__version__ = "0.1.0"
