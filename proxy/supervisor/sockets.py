"""The listening sockets: bound once, before any process is forked that accepts on them.

Belongs here: binding, and what a bound socket's URL is. Does not: accepting (`server`, `admin`).
"""

import os
import socket


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on *host* and *port*; 0 takes any free port.

    `::` is IPv6 and, where the system allows it, IPv4. Raises `OSError` naming the address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dual = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=dual)
    except OSError as error:
        # `create_server` adds the address to the text, in words of its own; what is below zero
        # are failed look-ups of a name, which have texts of their own.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        message = f"cannot listen on {host}:{port}: {reason}"
        raise OSError(error.errno, message) from error


def url_of(bound: socket.socket) -> str:
    """The base URL of what is served on a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
