"""The gateway's own kernel as the agent's platform: counting, names, neighbours and blocking in one table."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Final

from gateway_agent.capture import tap
from gateway_agent.capture.captures import OpenTap
from gateway_agent.capture.recording import Tap
from gateway_agent.config import Config
from gateway_agent.firewall.firewall import Firewall
from gateway_agent.kernel.interfaces import Lan, LanWatch, find_lan
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.neighbours import Neighbours, NeighbourWatch
from gateway_agent.kernel.nflog import NflogError
from gateway_agent.kernel.nft import TableError
from gateway_agent.kernel.table import Table, accounting
from gateway_agent.kernel.table_watch import TableWatch
from gateway_agent.model import (
    Address,
    Answer,
    FirstContact,
    Flow,
    Mac,
    Neighbour,
    Observation,
    Observe,
    ServerName,
    Traffic,
)
from gateway_agent.platform import PlatformError
from gateway_agent.sources.nftables import NftablesSource
from gateway_agent.topology import Networks, is_group
from gateway_agent.wire.policy import Problem

_LOG = logging.getLogger(__name__)

ACCOUNTING_OFF: Final = (
    "conntrack does not count packets, so unanswered and empty connections are not seen: "
    "sysctl -w net.netfilter.nf_conntrack_acct=1, and put it into /etc/sysctl.d"
)
OFFLOAD: Final = (
    "flow offload is on: what is offloaded is neither counted nor blocked; switch it off "
    "(OpenWrt: firewall defaults, flow_offloading 0)"
)
NO_LAN: Final = (
    "no LAN interface found: there is no default route, or it leads over the LAN too; "
    'name the interface in the configuration: [lan] interfaces = ["br-lan"]'
)


class KernelPlatform:
    """Counts and blocks with `table inet spin` (platform.Platform). Raises PlatformError with the remedy."""

    capabilities: Sequence[str]
    open_tap: OpenTap | None

    def __init__(self, config: Config, observe: Observe) -> None:
        self._config = config
        self._observe = observe
        self._lan = find_lan(config.lan.interfaces, config.lan.networks)
        self._networks = Networks(self._lan.networks)
        self._neighbours = Neighbours(self._lan)
        self._neighbours.refresh()
        self._neighbours.news()  # `attach` tells of all of them
        self._own = self._own_macs()
        self._lan_watch = LanWatch()
        self._listener = Listener()
        try:
            self._table = Table()
            self._table.ensure(self._lan.interfaces)
            self._counting = NftablesSource(self._table, self._observed, runtime=config.runtime_directory)
            self._watch = TableWatch(self._table)
        except TableError as error:
            raise PlatformError(str(error)) from error
        self.firewall: Firewall | None = Firewall(
            self._table,
            self._neighbours.addresses_of,
            mac_of=self._neighbours.mac_of,
            flows=self._counting.pairs,
        )
        self.firewall.on_names = self._heed_names
        self._heeding_names = False
        self._unsettled = False
        self._settling = asyncio.Lock()
        self._neighbour_watch = NeighbourWatch(self._neighbours, self.firewall.learned)
        self.source = _Attempts(self._counting, self.firewall)
        self.open_tap = self._open_tap if tap.able() else None
        self.capabilities = ["block", *self._counting.capabilities, *(["capture"] if self.open_tap else [])]

    def mac_of(self, address: Address) -> Mac | None:
        """Return whose a LAN address is."""
        return self._neighbours.mac_of(address)

    def is_local(self, address: Address) -> bool:
        """Whether a remote address is not on the Internet: in a LAN network, the gateway's, multicast."""
        return (
            address in self._networks
            or is_group(address)
            or not any(address)
            or address in self._lan.own_addresses
        )

    def is_own(self, mac: Mac) -> bool:
        """Whether a MAC address is the gateway's own or its next hop's: no device."""
        return mac in self._own

    def attach(self) -> None:
        """Begin to deliver observations into the running event loop."""
        loop = asyncio.get_running_loop()
        try:
            self._counting.attach(self._listener, self._named, loop)
        except NflogError as error:
            raise PlatformError(str(error)) from error
        self._listener.add(self._watch)
        self._listener.add(self._neighbour_watch)
        self._listener.start()
        loop.add_reader(self._lan_watch.fileno(), self._look_for_lan)
        for neighbour in self._neighbours.all():
            self._observe(neighbour)

    async def settle(self) -> None:
        """Return when the firewall's rules hold for everything that was resolved before they came."""
        async with self._settling:
            if self._unsettled and self.firewall is not None:
                await self._counting.drain()
                self._unsettled = False
                self.firewall.catch_up(time.time())

    def refresh(self, now: float) -> None:
        """Look again at what may have changed without telling; called every interval."""
        _ = now
        self._neighbours.refresh()
        self._pass_news()
        self._own = self._own_macs()

    def problems(self, now: float) -> Sequence[Problem]:
        """Return what is wrong with this gateway."""
        _ = now
        found = []
        if not self._lan.interfaces:
            found.append(Problem("no_lan", NO_LAN))
        if not accounting():
            found.append(Problem("accounting_off", ACCOUNTING_OFF))
        if self._table.offload():
            found.append(Problem("flow_offload", OFFLOAD))
        if self._watch.trouble is not None:
            found.append(Problem("cannot_block", self._watch.trouble))
        overflow = self._counting.overflow
        if overflow:
            found.append(
                Problem("overflow", f"{overflow} bytes had no room in the kernel's sets and are in no row")
            )
        return found

    def close(self, now: float) -> None:
        """Let go of everything; what is in the kernel stays there."""
        self._listener.stop()
        self._counting.close(now)
        self._watch.close()
        self._neighbour_watch.close()
        self._lan_watch.close()
        self._neighbours.close()
        self._table.close()

    def _open_tap(self, mac: Mac, headers_only: bool) -> Tap:
        return tap.open_tap(self._lan, mac, headers_only=headers_only)

    def _own_macs(self) -> frozenset[Mac]:
        hops = map(self._neighbours.known, self._lan.next_hops)
        return self._lan.own_macs.union(mac for mac in hops if mac is not None)

    def _heed_names(self, wanted: bool) -> None:
        self._counting.hurry(at_once=wanted)
        self._unsettled = wanted and (self._unsettled or not self._heeding_names)
        self._heeding_names = wanted

    def _named(self, name: Answer | ServerName) -> None:
        """Tell the firewall at once; in the listener's thread."""
        if self.firewall is None or not self.firewall.needs_names:
            return
        mac = self._neighbours.mac_of(name.lan)
        if isinstance(name, Answer):
            self.firewall.answered(mac, name)
        else:
            self.firewall.named(mac, name)

    def _observed(self, observation: Observation) -> None:
        if isinstance(observation, Answer):  # by far the most
            self._observe(observation)
            return
        if isinstance(observation, Neighbour):
            self._neighbours.learn(observation)
            self._pass_news()
            return
        if isinstance(observation, FirstContact) and self.firewall is not None:
            self.firewall.contacted(observation.flow.lan, observation.flow.remote)
        self._observe(observation)

    def _pass_news(self) -> None:
        for neighbour in self._neighbours.news():
            self._observe(neighbour)

    def _look_for_lan(self) -> None:
        if not self._lan_watch.changed():
            return
        lan = find_lan(self._config.lan.interfaces, self._config.lan.networks)
        if not lan.interfaces and self._lan.interfaces:  # without a default route the LAN is where it was
            lan = find_lan(self._lan.interfaces, self._config.lan.networks)
        self._use(lan)

    def _use(self, lan: Lan) -> None:
        if lan == self._lan:
            return
        if lan.interfaces != self._lan.interfaces:
            _LOG.info("lan_changed interfaces=%s", ",".join(lan.interfaces) or "none")
        self._lan = lan
        self._networks = Networks(lan.networks)
        self._neighbours.lan = lan
        self._own = self._own_macs()
        try:
            self._table.set_lan(lan.interfaces)
        except OSError as error:  # the table is gone: putting it back brings these interfaces along
            _LOG.warning("lan_not_set cause=%s", error)


class _Attempts:
    """Passes readings on, and tells the firewall of what devices go on trying."""

    name = NftablesSource.name

    def __init__(self, source: NftablesSource, firewall: Firewall) -> None:
        self._source = source
        self._firewall = firewall

    def read(self, now: float) -> Iterator[list[tuple[Flow, Traffic]]]:
        """Yield what the source yields."""
        for chunk in self._source.read(now):
            for flow, traffic in chunk:
                if traffic.blocked:
                    self._firewall.attempted(flow.lan, flow.remote, now)
            yield chunk
