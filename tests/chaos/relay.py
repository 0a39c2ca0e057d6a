"""A relay between a worker and its scheduler, whose connections can fall silent without a word."""

import socket
import threading
from typing import Final, Self

_BYTES: Final = 65_536


class Relay:
    """Listens at `address` for a block; what it has connected stays open until its end.

    Where it `hears_nothing`, the first words of a client pass, and no call that it makes.
    """

    def __init__(self, port: int, *, hears_nothing: bool = False) -> None:
        self._port = port
        self._hears_nothing = hears_nothing
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        for each in (self._listener, *self._sockets):
            each.close()

    def fall_silent(self) -> None:
        """Nothing passes on the connections of now any more, not even their end."""
        self._silent.update(self._sockets)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                if self._hears_nothing:
                    far.sendall(near.recv(_BYTES))
                    self._silent.add(near)
            except OSError:
                return
            self.accepted += 1
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(_BYTES):
                if one not in self._silent:
                    other.sendall(data)
        except OSError:
            return
        if one not in self._silent:
            other.close()
