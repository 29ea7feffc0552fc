"""The sockets of a node: one for each process, on one port that is nobody else's."""

import socket

import pytest

from adjourn.errors import ConfigError
from adjourn.listening import listen, url_of


def test_each_process_gets_its_share_of_the_connections() -> None:
    listeners = listen("127.0.0.1", 0, processes=2)
    address = listeners[0].getsockname()
    assert [each.getsockname() for each in listeners] == [address] * 2
    assert url_of(listeners[1]) == f"http://127.0.0.1:{address[1]}"
    callers = [socket.create_connection(address) for _ in range(64)]
    shares = []
    for listener in listeners:
        listener.setblocking(False)
        accepted = []
        try:
            while True:
                accepted.append(listener.accept()[0])
        except BlockingIOError:
            shares.append(len(accepted))
        for each in accepted:
            each.close()
    assert sum(shares) == len(callers)
    assert min(shares) >= 8  # of 64; less comes up once in many billions
    for each in (*callers, *listeners):
        each.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_port_that_other_processes_share_is_taken(processes: int) -> None:
    listeners = listen("127.0.0.1", 0, processes=2)
    port = listeners[0].getsockname()[1]
    with pytest.raises(ConfigError, match=f"port {port}: Address already in use"):
        listen("127.0.0.1", port, processes=processes)
    for each in listeners:
        each.close()
    for each in listen("127.0.0.1", port, processes=processes):
        each.close()
