"""The sockets that a node listens on: one for each of its processes."""

import resource
import socket
import sys

from adjourn.errors import ConfigError

__all__ = ["listen", "raise_open_files", "url_of"]

_BACKLOG = 2048  # connections not yet accepted


def listen(host: str, port: int, *, processes: int = 1) -> list[socket.socket]:
    """Listen there, once for each process: the system gives each as many connections as the others.

    Who keeps these open keeps what was not accepted yet, whatever becomes of the processes. Where the
    system does not share so, they get the same socket. Raises ConfigError.
    """
    shares = processes > 1 and sys.platform == "linux"
    listeners: list[socket.socket] = []
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as alone:  # who shares a port would not find it in use
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        for _ in range(processes if shares else 1):
            listener = socket.socket(family, kind, proto)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shares:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            address = listener.getsockname()  # of port 0, the one that was free
    except OSError as exc:
        for listener in listeners:
            listener.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {exc.strerror}") from exc
    return listeners if shares else listeners * processes


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def raise_open_files() -> None:
    """As many sockets as the system lets us have: each attempt in flight is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
