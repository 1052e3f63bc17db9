"""The boards that somebody looks at, and who does."""

from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .board import Board
from .subscription import Subscription
from .wish import Wish

# So many open pictures of one connection are more than a page shows.
MAX_SUBSCRIPTIONS = 32


class TooManyError(Exception):
    """A connection has more subscriptions than it can need."""


class Boards:
    """One board for each scope and window, for as long as there is a reader."""

    def __init__(self, hass: HomeAssistant, version: str) -> None:
        """Begin with none."""
        self.version = version
        self._hass = hass
        self._boards: dict[tuple[str | None, str], Board] = {}
        self._subscriptions: dict[ActiveConnection, dict[int, Subscription]] = {}

    @callback
    def subscribe(
        self, connection: ActiveConnection, number: int, gateway: str | None, window: str, wish: Wish
    ) -> CALLBACK_TYPE:
        """Have a reader told; returns how to end it.

        Raises:
            TooManyError: the connection has too many already
        """
        mine = self._subscriptions.setdefault(connection, {})
        if len(mine) >= MAX_SUBSCRIPTIONS:
            raise TooManyError
        scope = (gateway, window)
        board = self._boards.get(scope)
        if board is None:
            board = self._boards[scope] = Board(self._hass, gateway, window)
            board.open()
        reader = mine[number] = Subscription(connection, number, board, wish, self.version)
        board.join(reader)

        @callback
        def unsubscribe() -> None:
            del mine[number]
            if not mine:
                self._subscriptions.pop(connection, None)
            board.leave(reader)
            if not board.readers:
                board.close()
                del self._boards[scope]

        return unsubscribe

    @callback
    def find(self, connection: ActiveConnection, number: int) -> Subscription | None:
        """Return a connection's subscription."""
        return self._subscriptions.get(connection, {}).get(number)
