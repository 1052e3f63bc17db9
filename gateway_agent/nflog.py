"""Packets that our table logs to an NFLOG group (include/uapi/linux/netfilter/nfnetlink_log.h)."""

import errno
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway_agent.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, attribute, u32

_SUBSYSTEM: Final = 4 << 8
_PACKET, _CONFIG = _SUBSYSTEM, _SUBSYSTEM + 1
_CFG_CMD, _CFG_MODE, _CFG_BUFFER, _CFG_TIMEOUT, _CFG_THRESHOLD, _CFG_FLAGS = 1, 2, 3, 4, 5, 6
_BIND: Final = 1
_COPY_PACKET: Final = 2
_FLAG_SEQUENCE: Final = 1
_TIMESTAMP, _HARDWARE_ADDRESS, _PAYLOAD, _PREFIX, _SEQUENCE = 3, 8, 9, 10, 12
_LONGEST: Final = 8192
_BUFFER_BYTES: Final = 1 << 16
_RECEIVE_BYTES: Final = 1 << 22
_PATIENT_PACKETS: Final = 64
_PATIENT_HUNDREDTHS: Final = 1

_HEADER = struct.Struct("=IH")
_ATTRIBUTE = struct.Struct("=HH")
_TIME = struct.Struct(">QQ")
_ETHERNET: Final = 6


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

    def __init__(self, group: int) -> None:
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
            self.hurry(at_once=False)
        except NetlinkError as error:
            self._netlink.close()
            if error.errno in (errno.EBUSY, errno.EPERM):
                raise NflogError(
                    f"NFLOG group {group} is taken: another program listens to it, or the agent runs twice"
                ) from error
            raise NflogError(f"NFLOG group {group}: {error.strerror}") from error
        self._netlink.socket.setblocking(False)

    def hurry(self, *, at_once: bool) -> None:
        """Have every packet handed over at once or, for a fraction of the cost, those of 10 ms together."""
        threshold = u32(_CFG_THRESHOLD, 1 if at_once else _PATIENT_PACKETS)
        self._netlink.post(_CONFIG, self._head + threshold + u32(_CFG_TIMEOUT, _PATIENT_HUNDREDTHS))

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._netlink.fileno()

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
        found = []
        for logged, sequence in parse(bytes(memoryview(self._buffer)[:received])):
            if self._expected is not None and sequence is not None:
                self.lost += (sequence - self._expected) & 0xFFFFFFFF
            if sequence is not None:
                self._expected = (sequence + 1) & 0xFFFFFFFF
            found.append(logged)
        return found

    def _configure(self, *parts: bytes) -> None:
        self._netlink.request(_CONFIG, self._head + b"".join(parts))


def parse(datagram: bytes) -> Iterator[tuple[Logged, int | None]]:
    """Yield the logged packets of a datagram with their sequence numbers; stops where it is malformed."""
    place, end = 0, len(datagram)
    while place + 20 <= end:
        length, kind = _HEADER.unpack_from(datagram, place)
        if length < 20 or place + length > end:  # noqa: PLR2004  # netlink's and nfnetlink's headers
            return
        if kind == _PACKET:
            yield _logged(datagram, place + 20, place + length)
        place += (length + 3) & ~3


def _logged(datagram: bytes, place: int, end: int) -> tuple[Logged, int | None]:
    prefix = packet = b""
    mac = at = sequence = None
    unpack = _ATTRIBUTE.unpack_from
    while place + 4 <= end:
        length, kind = unpack(datagram, place)
        if length < 4 or place + length > end:  # noqa: PLR2004  # an attribute's header
            break
        if kind == _PAYLOAD:
            packet = datagram[place + 4 : place + length]
        elif kind == _PREFIX:
            prefix = datagram[place + 4 : place + length - 1]
        elif kind == _SEQUENCE:
            sequence = int.from_bytes(datagram[place + 4 : place + length], "big")
        elif kind == _HARDWARE_ADDRESS and length == 16 and datagram[place + 5] == _ETHERNET:  # noqa: PLR2004
            mac = datagram[place + 8 : place + 14]
        elif kind == _TIMESTAMP and length == 20:  # noqa: PLR2004
            seconds, micros = _TIME.unpack_from(datagram, place + 4)
            at = seconds + micros / 1e6
        place += (length + 3) & ~3
    return Logged(prefix, packet, mac, at), sequence
