"""A door is an honest proxy until it is told otherwise."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.background import Background
from tests.faults.proxy import Door
from tests.servers import PATIENCE, free_port, wait_for


@pytest.fixture
def background() -> Iterator[Background]:
    made = Background("doors")
    yield made
    made.close()


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it is sent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while data := connection.recv(1024):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def door(background: Background, echo: int) -> Iterator[Door]:
    made = Door(background, [free_port(), echo])
    yield made
    made.close()


@pytest.fixture
def client(door: Door) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello", "it goes to the one that answers"
        yield connection


def says_nothing(client: socket.socket) -> bool:
    """Whether nothing is there to be read now."""
    return not select.select([client], [], [], 0.1)[0]


def test_what_is_held_arrives_when_it_is_released(door: Door, client: socket.socket) -> None:
    door.hold()
    client.sendall(b"late")
    wait_for(lambda: door.held_bytes == len(b"late"))
    assert says_nothing(client)
    door.release()
    assert client.recv(100) == b"late"


def test_an_answer_alone_can_be_held(door: Door, client: socket.socket) -> None:
    door.hold(requests=False)
    client.sendall(b"done")
    wait_for(lambda: door.held_bytes == len(b"done"))
    assert says_nothing(client)
    door.release()
    assert client.recv(100) == b"done"


def test_a_cut_is_a_reset(door: Door, client: socket.socket) -> None:
    assert door.cut() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_a_door_that_refuses_opens_again_on_its_port(door: Door) -> None:
    door.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE)
    door.release()
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE) as connection:
        connection.sendall(b"again")
        assert connection.recv(100) == b"again"
