"""The one nftables table `inet spin`: made by nft; read, changed and put back over raw netlink."""

import errno
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway_agent.kernel import nf_tables, nft, ruleset
from gateway_agent.kernel.netlink import (
    NETLINK_NETFILTER,
    NLM_F_APPEND,
    NLM_F_CREATE,
    Message,
    Netlink,
    NetlinkError,
    Request,
    attribute,
    attributes,
    messages,
    string,
    text,
    u32,
)
from gateway_agent.kernel.nf_tables import HEAD
from gateway_agent.kernel.nft import TableError
from gateway_agent.kernel.ruleset import TABLE

_LOG = logging.getLogger(__name__)
_ACCOUNTING: Final = Path("/proc/sys/net/netfilter/nf_conntrack_acct")
_DYNAMIC_CHAINS: Final = frozenset({ruleset.GATE, ruleset.OUTBOUND})
_BATCH_BYTES: Final = 1 << 23


class Table:
    """`table inet spin`. Safe for several threads: everything that changes the kernel holds `lock`.

    `handle` is the kernel's number of this instance of the table, `token` a random name for it: both change
    when the table is made again, and all its counters begin at zero. `empty` says whether this kernel can
    count empty connections.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.handle = 0
        self.token = ""
        self.empty = True
        self.policy_requests: Callable[[], Iterable[Request]] = tuple
        """What the firewall wants in the table: asked for whenever the table is put back."""
        self._lan: tuple[str, ...] = ()
        self._skeleton: list[Request] = []
        self._constants: list[Request] = []
        self._rules: list[bytes] = []
        self._layout: frozenset[bytes] = frozenset()
        try:
            self._netlink = Netlink(NETLINK_NETFILTER, receive_bytes=_BATCH_BYTES, send_bytes=_BATCH_BYTES)
        except OSError as error:
            raise TableError(f"this kernel has no netfilter netlink: {error.strerror}") from error

    @property
    def port(self) -> int:
        """The netlink port that our own transactions come from."""
        return self._netlink.port

    def close(self) -> None:
        """Close the socket; the table stays and goes on counting and blocking."""
        self._netlink.close()

    def ensure(self, lan: Sequence[str]) -> None:
        """Make the table, or keep the one that an earlier run left, with these LAN interfaces.

        Raises:
            TableError: no right, no nft, no kernel support, or a table of the same name that is not ours.
        """
        with self.lock:
            found = self._find()
            try:
                self._make(found, empty=True)
            except nft.RefusedError:
                self._make(found, empty=False)
            self._record()
            self._lan = tuple(lan)
            self.commit(self._lan_requests())

    def set_lan(self, lan: Sequence[str]) -> None:
        """Change the LAN interfaces; nothing that was counted is lost."""
        with self.lock:
            if tuple(lan) != self._lan:
                self._lan = tuple(lan)
                self.commit(self._lan_requests())

    def commit(self, requests: Sequence[Request]) -> list[Message]:
        """Carry out requests as one transaction and return what was echoed; raises NetlinkError."""
        with self.lock:
            return self._netlink.batch(requests)

    def counter(self, name: str) -> tuple[int, int]:
        """Return packets and bytes of a named counter; (0, 0) if it is gone."""
        body = HEAD + text(nf_tables.OBJ_TABLE, TABLE) + text(nf_tables.OBJ_NAME, name)
        body += u32(nf_tables.OBJ_TYPE, 1)
        with self.lock:
            try:
                answers = self._netlink.request(nf_tables.GETOBJ, body)
            except NetlinkError:
                return 0, 0
        return nf_tables.counter_object(answers[0].body) if answers else (0, 0)

    def elements(self, name: str) -> list[nf_tables.Element]:
        """Return the elements of a set without counters."""
        with self.lock:
            bodies = self._dump(nf_tables.GETSETELEM, nf_tables.element_dump(TABLE, name))
        found = (nf_tables.read_element(encoded) for body in bodies for encoded in nf_tables.listed(body))
        return [element for element in found if element is not None]

    def offload(self) -> bool:
        """Tell whether some table has a flowtable: what it carries passes by the forward hook, and by us."""
        with self.lock:
            try:
                return bool(self._dump(nf_tables.GETFLOWTABLE, bytes(4)))
            except NetlinkError:
                return False

    def intact(self) -> bool:
        """Tell whether the table is the one we know, with all its sets, chains and rules."""
        with self.lock:
            found = self._find_quietly()
            return (
                found is not None and found[0] == self.handle and self._same_layout() and self._same_rules()
            )

    def restore(self) -> bool:
        """Put back in one transaction what somebody else took away, and the firewall's rules in any case.

        Returns whether anything of the table itself was missing. Where only rules were, counters are kept.

        Raises:
            TableError: it cannot be put back.
        """
        with self.lock:
            found = self._find_quietly()
            whole = found is not None and found[0] == self.handle and self._same_layout()
            missing = not whole or not self._same_rules()
            requests: list[Request] = []
            if not whole:
                requests = [*(self._deletion() if found else ()), self._birth(), *self._skeleton]
                requests += self._lan_requests(flush=False)
            else:
                requests = [*self._lan_requests(), *self._constants]
                requests += [nf_tables.delete_rules(TABLE), *self._recorded_rules()] if missing else []
            try:
                self.commit([*requests, *self.policy_requests()])
            except OSError as error:
                raise TableError(f"table inet {TABLE} could not be put back: {error}") from error
            self._identify()
            return missing

    def remove(self) -> None:
        """Remove the table if there is one and it is ours; raises TableError."""
        with self.lock:
            found = self._find()
            if found is not None:
                self.commit(self._deletion())
            self._skeleton = []

    def _find(self) -> tuple[int, str, str] | None:
        """Return handle, layout and token of our table, None if there is none; raises TableError."""
        try:
            found = self._find_quietly()
        except NetlinkError as error:
            if error.errno == errno.EPERM:
                raise TableError(nft.NO_RIGHT) from error
            raise TableError(f"this kernel has no nf_tables: {error.strerror}") from error
        if found is not None and not found[1]:
            raise TableError(
                f"a table inet {TABLE} exists that this program did not make; "
                f"remove it with: nft delete table inet {TABLE}"
            )
        return found

    def _find_quietly(self) -> tuple[int, str, str] | None:
        try:
            answers = self._netlink.request(nf_tables.GETTABLE, HEAD + text(nf_tables.TABLE_NAME, TABLE))
        except NetlinkError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        parts = dict(attributes(answers[0].body[len(HEAD) :]))
        words = (nf_tables.read_comment(parts.get(nf_tables.TABLE_USERDATA, b"")) or "").split()
        handle = int.from_bytes(parts.get(nf_tables.TABLE_HANDLE, b""), "big")
        ours = len(words) == 3 and words[0] == ruleset.MARK  # noqa: PLR2004  # mark, layout, token
        return (handle, words[1], words[2]) if ours else (handle, "", "")

    def _make(self, found: tuple[int, str, str] | None, *, empty: bool) -> None:
        layout = ruleset.layout(empty=empty)
        keep = found is not None and found[1] == layout
        token = found[2] if keep and found else secrets.token_hex(8)
        begin = f"table inet {TABLE}\ndelete table inet {TABLE}\n" if found and not keep else ""
        if keep:
            begin = "".join(f"flush chain inet {TABLE} {chain}\n" for chain in self._static_chains())
        comment = f'comment "{ruleset.MARK} {layout} {token}"'
        body = f"table inet {TABLE} {{\n  {comment}\n{ruleset.text(empty=empty)}}}\n"
        nft.run(begin + body)
        self.empty = empty
        _LOG.info("table_%s layout=%s", "kept" if keep else "made", layout)

    def _static_chains(self) -> list[str]:
        return [name for name, _ in self._chains() if name not in _DYNAMIC_CHAINS]

    def _identify(self) -> None:
        found = self._find()
        if found is None:
            raise TableError(f"table inet {TABLE} vanished while it was being made")
        self.handle, _, self.token = found

    def _record(self) -> None:
        """Remember the table as the requests that make it again."""
        self._identify()
        create = NLM_F_CREATE
        skeleton = []
        for number, made in enumerate(self._sets(), 1):
            skeleton.append(Request(nf_tables.NEWSET, create, HEAD + made + u32(nf_tables.SET_ID, number)))
        for body in self._dump(nf_tables.GETOBJ, HEAD + text(nf_tables.OBJ_TABLE, TABLE)):
            kinds = (nf_tables.OBJ_TABLE, nf_tables.OBJ_NAME, nf_tables.OBJ_TYPE, nf_tables.OBJ_DATA)
            skeleton.append(Request(nf_tables.NEWOBJ, create, HEAD + nf_tables.kept(body, kinds)))
        for name, made in self._chains():
            if name != ruleset.GATE:
                skeleton.append(Request(nf_tables.NEWCHAIN, create, HEAD + made))
        ports = [nf_tables.encode_element(element) for element in self.elements("with_ports")]
        self._constants = list(nf_tables.elements(nf_tables.NEWSETELEM, TABLE, "with_ports", ports, create))
        self._rules = self._dumped_rules()
        self._skeleton = [*skeleton, *self._constants, *self._recorded_rules()]
        self._layout = self._dumped_layout()

    def _birth(self) -> Request:
        """Return the request for the table itself, with a new token: its counters will begin at zero."""
        words = f"{ruleset.MARK} {ruleset.layout(empty=self.empty)} {secrets.token_hex(8)}"
        userdata = attribute(nf_tables.TABLE_USERDATA, nf_tables.comment(words))
        return Request(nf_tables.NEWTABLE, NLM_F_CREATE, HEAD + text(nf_tables.TABLE_NAME, TABLE) + userdata)

    def _recorded_rules(self) -> list[Request]:
        return [Request(nf_tables.NEWRULE, NLM_F_CREATE | NLM_F_APPEND, HEAD + rule) for rule in self._rules]

    def _deletion(self) -> list[Request]:
        return [Request(nf_tables.DELTABLE, 0, HEAD + text(nf_tables.TABLE_NAME, TABLE))]

    def _lan_requests(self, *, flush: bool = True) -> list[Request]:
        keys = (name.encode().ljust(16, b"\0") for name in self._lan)
        encoded = [nf_tables.encode_element(nf_tables.Element(key)) for key in keys]
        added = nf_tables.elements(nf_tables.NEWSETELEM, TABLE, "lan", encoded, NLM_F_CREATE)
        return [*([nf_tables.flush_set(TABLE, "lan")] if flush else []), *added]

    def _same_layout(self) -> bool:
        return self._layout <= self._dumped_layout()

    def _same_rules(self) -> bool:
        return self._dumped_rules() == self._rules

    def _dumped_layout(self) -> frozenset[bytes]:
        return frozenset([*self._sets(), *(made for name, made in self._chains() if name != ruleset.GATE)])

    def _dumped_rules(self) -> list[bytes]:
        kinds = (
            nf_tables.RULE_TABLE,
            nf_tables.RULE_CHAIN,
            nf_tables.RULE_EXPRESSIONS,
            nf_tables.RULE_USERDATA,
        )
        bodies = self._dump(nf_tables.GETRULE, HEAD + text(nf_tables.RULE_TABLE, TABLE))
        return [
            nf_tables.kept(body, kinds)
            for body in bodies
            if _text_of(body, nf_tables.RULE_CHAIN) not in _DYNAMIC_CHAINS
        ]

    def _sets(self) -> list[bytes]:
        bodies = self._dump(nf_tables.GETSET, HEAD + text(nf_tables.SET_TABLE, TABLE))
        return [_without_default_size(nf_tables.kept(body, nf_tables.SET_COPIED)) for body in bodies]

    def _chains(self) -> Iterator[tuple[str, bytes]]:
        kinds = (
            nf_tables.CHAIN_TABLE,
            nf_tables.CHAIN_NAME,
            nf_tables.CHAIN_HOOK,
            nf_tables.CHAIN_POLICY,
            nf_tables.CHAIN_TYPE,
        )
        for body in self._dump(nf_tables.GETCHAIN, HEAD):
            if _text_of(body, nf_tables.CHAIN_TABLE) == TABLE:
                yield _text_of(body, nf_tables.CHAIN_NAME), nf_tables.kept(body, kinds)

    def _dump(self, kind: int, body: bytes) -> list[memoryview]:
        """Return the bodies of all messages of a dump."""
        return [
            memoryview(bytes(message.body))
            for datagram in self._netlink.dump(kind, body)
            for message in messages(datagram)
            if message.kind >> 8 == kind >> 8
        ]


def accounting() -> bool:
    """Tell whether conntrack counts packets, without which answers and empty connections are not seen."""
    try:
        return _ACCOUNTING.read_text().strip() != "0"
    except OSError:
        return False


def _without_default_size(made: bytes) -> bytes:
    """Leave out the size that the kernel gave a set by itself: asked for, it would be allocated at once."""
    size = u32(nf_tables.DESC_SIZE, ruleset.MAX_ELEMENTS)
    return b"".join(
        attribute(kind, bytes(value).replace(size, b"") if kind == nf_tables.SET_DESC else bytes(value))
        for kind, value in attributes(made)
    )


def _text_of(body: memoryview, kind: int) -> str:
    return next((string(value) for found, value in attributes(body[len(HEAD) :]) if found == kind), "")
