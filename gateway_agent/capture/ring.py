"""Packets of one interface through a ring that the kernel fills (linux/if_packet.h, TPACKET_V3)."""

import mmap
import socket
import struct
from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple

RETIRE_SECONDS: Final = 0.1
"""A block that is not full is handed over after this long."""

_BLOCK_BYTES: Final = 1 << 18
_BLOCKS: Final = 16
_FRAME_BYTES: Final = 1 << 11

_SOL_PACKET: Final = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION = 1, 5, 6, 10
_PROMISCUOUS: Final = 1
"""So that a bridge shows what it passes from one of its ports to another."""

_TPACKET_V3: Final = 2
_SO_ATTACH_FILTER: Final = 26
_ETH_P_ALL: Final = 3

_STATUS_AT: Final = 8
_USER: Final = 1
_VLAN_VALID, _VLAN_TPID_VALID = 0x10, 0x40
_VLAN_PLACE: Final = 12
_8021Q: Final = 0x8100
_STATUS = struct.Struct("=I")
_BLOCK = struct.Struct("=II")  # packets in it, offset of the first
_PACKET = struct.Struct("=IIIIIIH2x4xIH")
_COUNTS = struct.Struct("=III")


class Captured(NamedTuple):
    """A frame as it was on the interface: seconds and nanoseconds, its bytes, its length on the wire."""

    seconds: int
    nanoseconds: int
    frame: bytes
    length: int


class Ring:
    """A tap on an interface: wait for `fileno` to be readable, then `read`; what has no room is `dropped`.

    Raises:
        OSError: no right (CAP_NET_RAW), no such interface, no memory for the ring (4 MiB).
    """

    def __init__(self, interface: str, program: bytes) -> None:
        self.interface = interface
        self._dropped = 0
        self._next = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._socket.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
            self._attach(program)
            ring = struct.pack(
                "=7I",
                _BLOCK_BYTES,
                _BLOCKS,
                _FRAME_BYTES,
                _BLOCK_BYTES // _FRAME_BYTES * _BLOCKS,
                int(RETIRE_SECONDS * 1000),
                0,
                0,
            )
            self._socket.setsockopt(_SOL_PACKET, _RX_RING, ring)
            self._memory = mmap.mmap(self._socket.fileno(), _BLOCK_BYTES * _BLOCKS)
            everything = struct.pack("=iHH8x", socket.if_nametoindex(interface), _PROMISCUOUS, 0)
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, everything)
            self._socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    def read(self) -> Iterator[Captured]:
        """Yield the packets of the next block, if it is full or due; then the kernel may fill it again."""
        start = self._next * _BLOCK_BYTES
        memory = self._memory
        if not self.waiting:
            return
        count, place = _BLOCK.unpack_from(memory, start + _STATUS_AT + _STATUS.size)
        place += start
        try:
            for _ in range(count):
                step, seconds, nanoseconds, size, length, status, offset, tci, tpid = _PACKET.unpack_from(
                    memory, place
                )
                frame = memory[place + offset : place + offset + size]
                if status & _VLAN_VALID:
                    tag = struct.pack("!HH", tpid if status & _VLAN_TPID_VALID else _8021Q, tci & 0xFFFF)
                    frame = frame[:_VLAN_PLACE] + tag + frame[_VLAN_PLACE:]
                    length += len(tag)
                yield Captured(seconds, nanoseconds, frame, length)
                place += step
        finally:
            _STATUS.pack_into(memory, start + _STATUS_AT, 0)
            self._next = (self._next + 1) % _BLOCKS

    @property
    def waiting(self) -> bool:
        """Whether there is a block to read."""
        return bool(_STATUS.unpack_from(self._memory, self._next * _BLOCK_BYTES + _STATUS_AT)[0] & _USER)

    @property
    def dropped(self) -> int:
        """How many packets found the ring full."""
        counts = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, _COUNTS.size)
        self._dropped += int(_COUNTS.unpack(counts)[1])  # the kernel begins anew
        return self._dropped

    @property
    def broken(self) -> bool:
        """Whether the interface went down or away, since this was last asked."""
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def close(self) -> None:
        """Stop capturing."""
        self._memory.close()
        self._socket.close()

    def _attach(self, program: bytes) -> None:
        held = array("B", program)
        self._socket.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HP", len(program) // 8, held.buffer_info()[0]),
        )
