"""Raw netlink for the paths where every microsecond and megabyte counts.

Messages, attributes and nf_tables batches of include/uapi/linux/{netlink,netfilter/nfnetlink}.h: the header
is in host byte order, what nf_tables puts into attributes in network byte order.
"""

import ctypes
import itertools
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_ECHO, NLM_F_DUMP = 0x1, 0x4, 0x8, 0x300
NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x200, 0x400, 0x800
NLM_F_ACK_TLVS = 0x200

_NLA_TYPE_MASK = 0x3FFF
_NLA_F_NESTED = 0x8000
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 1, 10, 11
_SO_ATTACH_FILTER, _SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 26, 32, 33
_NLMSGERR_ATTR_MSG, _NLMSGERR_ATTR_OFFS = 1, 2
_NFNL_MSG_BATCH_BEGIN, _NFNL_MSG_BATCH_END = 0x10, 0x11
_NFNL_SUBSYS_NFTABLES = 10

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_DATAGRAM_BYTES = 1 << 18


class NetlinkError(OSError):
    """The kernel refused a request; `message` is the index of the refused message in its batch.

    `offset` is the place of the refused attribute within that message, 0 where the kernel named none.
    """

    def __init__(self, code: int, reason: str = "", message: int = 0, offset: int = 0) -> None:
        super().__init__(code, f"{os.strerror(code)}{': ' if reason else ''}{reason}")
        self.message = message
        self.offset = offset


class Message(NamedTuple):
    """One netlink message: the family's own header and the attributes are in `body`."""

    kind: int
    flags: int
    sequence: int
    port: int
    body: memoryview


def attribute(kind: int, payload: bytes) -> bytes:
    """Encode one attribute, padded to 4 bytes."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + b"\0" * (-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Encode attributes as the payload of another."""
    return attribute(kind | _NLA_F_NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Encode a string with the zero byte that the kernel expects."""
    return attribute(kind, value.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    """Encode 32 bits in network byte order, as nf_tables has them."""
    return attribute(kind, value.to_bytes(4, "big"))


def u64(kind: int, value: int) -> bytes:
    """Encode 64 bits in network byte order."""
    return attribute(kind, value.to_bytes(8, "big"))


def attributes(data: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (type, payload) of each attribute; stops at one that does not fit, as the kernel does."""
    view = memoryview(data)
    position, end = 0, len(view)
    while position + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(view, position)
        if length < 4 or position + length > end:  # noqa: PLR2004  # an attribute's own header
            return
        yield kind & _NLA_TYPE_MASK, view[position + 4 : position + length]
        position += (length + 3) & ~3


def string(payload: bytes | memoryview) -> str:
    """Decode a zero-terminated string."""
    return bytes(payload).split(b"\0", 1)[0].decode(errors="replace")


def messages(datagram: bytes | memoryview) -> Iterator[Message]:
    """Yield the messages of a datagram; stops at one that does not fit."""
    view = memoryview(datagram)
    position, end = 0, len(view)
    while position + _HEADER.size <= end:
        length, kind, flags, sequence, port = _HEADER.unpack_from(view, position)
        if length < _HEADER.size or position + length > end:
            return
        yield Message(kind, flags, sequence, port, view[position + _HEADER.size : position + length])
        position += (length + 3) & ~3


class Request(NamedTuple):
    """A message to send; the socket gives it its sequence number."""

    kind: int
    flags: int
    body: bytes


class Netlink:
    """One netlink socket; not for two threads at once.

    Raises OSError (EPERM without CAP_NET_ADMIN for most of netfilter) and NetlinkError.
    """

    def __init__(
        self,
        protocol: int,
        *,
        groups: Sequence[int] = (),
        receive_bytes: int = 1 << 20,
        send_bytes: int = 1 << 18,
    ) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._sequence = itertools.count(1)
        self._buffer = bytearray(_DATAGRAM_BYTES)
        try:
            self.socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            self.socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            self._grow(_SO_RCVBUFFORCE, socket.SO_RCVBUF, receive_bytes)
            self._grow(_SO_SNDBUFFORCE, socket.SO_SNDBUF, send_bytes)
            self.socket.bind((0, 0))
            self.port: int = self.socket.getsockname()[0]
            for group in groups:
                self.socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        except OSError:
            self.socket.close()
            raise

    def _grow(self, forced: int, ordinary: int, size: int) -> None:
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, forced, size)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, ordinary, size)

    def ignore(self, port: int) -> None:
        """Have the kernel drop what the requests of another of our sockets cause, before it wakes anybody."""
        (swapped,) = struct.unpack(">I", struct.pack("=I", port))
        load_sender, jump_if_equal, result = 0x20, 0x15, 0x06
        program = struct.pack(
            "=HBBIHBBIHBBIHBBI",
            *(load_sender, 0, 0, 12),
            *(jump_if_equal, 0, 1, swapped),
            *(result, 0, 0, 0),
            *(result, 0, 0, 0xFFFFFFFF),
        )
        memory = ctypes.create_string_buffer(program)
        fprog = struct.pack("HL", 4, ctypes.addressof(memory))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.socket.fileno()

    def request(self, kind: int, body: bytes, flags: int = 0) -> list[Message]:
        """Send one message and return the answers before its acknowledgement."""
        sequence = next(self._sequence)
        self._send([_frame(kind, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, body)])
        answers = []
        for answer in self._answers():
            if answer.kind == NLMSG_ERROR:
                _raise_error(answer, sequence)
            else:
                answers.append(answer._replace(body=memoryview(bytes(answer.body))))
        return answers

    def post(self, kind: int, body: bytes) -> None:
        """Send one message without waiting for an answer, where other messages must not be lost."""
        self.socket.sendto(_frame(kind, NLM_F_REQUEST, next(self._sequence), body), (0, 0))

    def dump(self, kind: int, body: bytes) -> Iterator[memoryview]:
        """Yield the datagrams of a dump, each valid until the next; the caller may pause in between.

        A dump during which the kernel's data changed may lack entries or repeat them.
        """
        sequence = next(self._sequence)
        self._send([_frame(kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, body)])
        done = False
        try:
            while not done:
                datagram = self._receive(0)
                last = _last(datagram)
                done = last is None or last.kind in (NLMSG_DONE, NLMSG_ERROR)
                if last and last.kind == NLMSG_ERROR:
                    _raise_error(last, sequence)
                yield datagram
        finally:
            while not done:
                last = _last(self._receive(0))
                done = last is None or last.kind in (NLMSG_DONE, NLMSG_ERROR)

    def batch(self, requests: Sequence[Request]) -> list[Message]:
        """Carry out nf_tables requests as one transaction: all or, with NetlinkError, none.

        Returns what the kernel echoed of the requests with NLM_F_ECHO.
        """
        first = next(self._sequence)
        edge = struct.pack(">BBH", 0, 0, _NFNL_SUBSYS_NFTABLES)
        frames = [_frame(_NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, first, edge)]
        for kind, flags, body in requests:
            frames.append(_frame(kind, flags | NLM_F_REQUEST, next(self._sequence), body))
        frames.append(_frame(_NFNL_MSG_BATCH_END, NLM_F_REQUEST, next(self._sequence), edge))
        self._send(frames)
        echoed = []
        for answer in self._answers():
            if answer.kind == NLMSG_ERROR:
                _raise_error(answer, first + 1)
            else:
                echoed.append(answer._replace(body=memoryview(bytes(answer.body))))
        return echoed

    def _send(self, frames: list[bytes]) -> None:
        while True:  # what an earlier, failed request left behind belongs to nobody
            try:
                self._receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
        self.socket.sendto(b"".join(frames), (0, 0))

    def _answers(self) -> Iterator[Message]:
        """The kernel answers before the send returns: what is not there yet will not come."""
        while True:
            try:
                datagram = self._receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            yield from messages(datagram)

    def _receive(self, flags: int) -> memoryview:
        received, _, _, sender = self.socket.recvmsg_into([self._buffer], 0, flags)
        if sender[0] != 0:  # only the kernel (port 0) is to be believed
            return memoryview(b"")
        return memoryview(self._buffer)[:received]


def _frame(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body + b"\0" * (-len(body) % 4)


def _last(datagram: memoryview) -> Message | None:
    last = None
    for last in messages(datagram):  # noqa: B007  # the one it ends with
        pass
    return last


def _raise_error(answer: Message, first_sequence: int) -> None:
    """Raise what an NLMSG_ERROR says, unless it is an acknowledgement."""
    code: int = -struct.unpack("=i", answer.body[:4])[0]
    if code == 0:
        return
    reason, offset = "", 0
    if answer.flags & NLM_F_ACK_TLVS:
        for kind, payload in attributes(answer.body[20:]):
            if kind == _NLMSGERR_ATTR_MSG:
                reason = string(payload)
            elif kind == _NLMSGERR_ATTR_OFFS and len(payload) == 4:  # noqa: PLR2004  # a u32
                offset = struct.unpack("=I", payload)[0]
    (sequence,) = struct.unpack("=I", answer.body[12:16])
    raise NetlinkError(code, reason, max(sequence - first_sequence, 0), offset)
