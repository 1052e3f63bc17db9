"""Packets that our table logs to an NFLOG group (include/uapi/linux/netfilter/nfnetlink_log.h)."""

import errno
import select
import struct
from typing import Final, NamedTuple

from gateway_agent.kernel.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, attribute, u32

_SUBSYSTEM: Final = 4 << 8
_PACKET, _CONFIG = _SUBSYSTEM, _SUBSYSTEM + 1
_CFG_CMD, _CFG_MODE, _CFG_BUFFER, _CFG_TIMEOUT, _CFG_THRESHOLD, _CFG_FLAGS = 1, 2, 3, 4, 5, 6
_BIND: Final = 1
_COPY_PACKET: Final = 2
_FLAG_SEQUENCE: Final = 1
_TIMESTAMP, _HARDWARE_ADDRESS, _PAYLOAD, _PREFIX, _SEQUENCE = 3, 8, 9, 10, 12
_LONGEST: Final = 8192
_BUFFER_BYTES: Final = 1 << 17
_RECEIVE_BYTES: Final = 1 << 22
_PATIENT_PACKETS: Final = 400
_PATIENT_HUNDREDTHS: Final = 20
PATIENT_SECONDS: Final = _PATIENT_HUNDREDTHS / 100
"""How long the kernel keeps a logged packet at the most."""

_HEADER = struct.Struct("=IH")
_ATTRIBUTE = struct.Struct("=HH")
_TIME = struct.Struct(">QQ")
_ETHERNET: Final = 6
_HARDWARE_BYTES: Final = 12
_HEADERS: Final = 20
"""Bytes of netlink's and nfnetlink's headers."""

_new = tuple.__new__


class NflogError(Exception):
    """The group cannot be listened to; the text says why."""


class Logged(NamedTuple):
    """A logged packet: the rule's prefix, the IP packet; its sender's MAC and time where the kernel tells."""

    prefix: bytes
    packet: bytes
    mac: bytes | None
    at: float | None


class Nflog:
    """Listens to one group. `lost` counts the packets that the kernel could not hand over in time."""

    def __init__(self, group: int, *, at_once: bool = False) -> None:
        self.lost = 0
        self._head = struct.pack(">BBH", 0, 0, group)
        self._expected: int | None = None
        self._buffer = bytearray(_BUFFER_BYTES * 4)
        self._netlink = Netlink(NETLINK_NETFILTER, receive_bytes=_RECEIVE_BYTES)
        try:
            self._configure(attribute(_CFG_CMD, bytes((_BIND,))))
            self._configure(
                attribute(_CFG_MODE, struct.pack(">IBx", _LONGEST, _COPY_PACKET)),
                u32(_CFG_BUFFER, _BUFFER_BYTES),
                attribute(_CFG_FLAGS, struct.pack(">H", _FLAG_SEQUENCE)),
            )
            self.hurry(at_once=at_once)
        except NetlinkError as error:
            self._netlink.close()
            if error.errno in (errno.EBUSY, errno.EPERM):
                raise NflogError(
                    f"NFLOG group {group} is taken: another program listens to it, or the agent runs twice"
                ) from error
            raise NflogError(f"NFLOG group {group}: {error.strerror}") from error
        self._netlink.socket.setblocking(False)

    def hurry(self, *, at_once: bool) -> None:
        """Have every packet handed over at once or, for a fraction of the cost, those of 200 ms together."""
        threshold = u32(_CFG_THRESHOLD, 1 if at_once else _PATIENT_PACKETS)
        self._netlink.post(_CONFIG, self._head + threshold + u32(_CFG_TIMEOUT, _PATIENT_HUNDREDTHS))

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._netlink.fileno()

    def readable(self) -> bool:
        """Whether there is a datagram to read."""
        return bool(select.select([self._netlink], [], [], 0)[0])

    def close(self) -> None:
        """Stop listening."""
        self._netlink.close()

    def read(self) -> list[Logged]:
        """Return the packets of one datagram; none if there is nothing to read."""
        try:
            received, _, _, sender = self._netlink.socket.recvmsg_into([self._buffer])
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return []  # the sequence numbers will tell how many are lost
        if sender[0] != 0:
            return []
        found, sequence = parse(bytes(memoryview(self._buffer)[:received]))
        if sequence is not None:
            if self._expected is not None:
                self.lost += (sequence - self._expected) & 0xFFFFFFFF
            self._expected = (sequence + len(found)) & 0xFFFFFFFF
        return found

    def _configure(self, *parts: bytes) -> None:
        self._netlink.request(_CONFIG, self._head + b"".join(parts))


def parse(datagram: bytes) -> tuple[list[Logged], int | None]:  # noqa: C901 (a loop of one piece is faster)
    """Return the logged packets of a datagram and the first's sequence number; stops where it is malformed.

    On the path of every DNS answer: one loop over the attributes, each looked at once.
    """
    found: list[Logged] = []
    sequence = None
    place, end = 0, len(datagram)
    unpack = _ATTRIBUTE.unpack_from
    while place + _HEADERS <= end:
        length, kind = _HEADER.unpack_from(datagram, place)
        stop = place + length
        if length < _HEADERS or stop > end:
            break
        if kind == _PACKET:
            prefix = packet = b""
            mac = at = None
            part = place + _HEADERS
            while part + 4 <= stop:
                size, kind = unpack(datagram, part)
                if size < 4 or part + size > stop:  # noqa: PLR2004  # an attribute's header
                    break
                if kind == _PAYLOAD:
                    packet = datagram[part + 4 : part + size]
                elif kind == _PREFIX:
                    prefix = datagram[part + 4 : part + size - 1]
                elif kind == _SEQUENCE:
                    if not found:
                        sequence = int.from_bytes(datagram[part + 4 : part + size], "big")
                elif kind == _HARDWARE_ADDRESS:
                    mac = _mac(datagram[part + 4 : part + size])
                elif kind == _TIMESTAMP:
                    at = _time(datagram[part + 4 : part + size])
                part += (size + 3) & ~3
            found.append(_new(Logged, (prefix, packet, mac, at)))
        place = (stop + 3) & ~3
    return found, sequence


def _mac(value: bytes) -> bytes | None:
    return value[4:10] if len(value) == _HARDWARE_BYTES and value[1] == _ETHERNET else None


def _time(value: bytes) -> float | None:
    if len(value) != _TIME.size:
        return None
    seconds, micros = _TIME.unpack(value)
    return float(seconds + micros / 1e6)
