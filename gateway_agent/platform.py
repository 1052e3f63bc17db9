"""What the agent runs on: a source, the neighbours, perhaps a firewall; the kernel's, or others for tests."""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway_agent.capture.captures import OpenTap
from gateway_agent.config import Config
from gateway_agent.firewall.enforcement import Firewall
from gateway_agent.model import Address, Mac, Observe, Source
from gateway_agent.wire.policy import Problem


class PlatformError(Exception):
    """The agent cannot run here; the text names the remedy."""


class Platform(Protocol):
    """Everything that is not the agent's own bookkeeping."""

    @property
    def source(self) -> Source:
        """What delivers traffic."""

    @property
    def firewall(self) -> Firewall | None:
        """What can block, if anything."""

    @property
    def open_tap(self) -> OpenTap | None:
        """What opens a tap on a device's packets, if that can be done here."""

    @property
    def capabilities(self) -> Sequence[str]:
        """What of the wire contract's capabilities there is."""

    def mac_of(self, address: Address) -> Mac | None:
        """Return whose a LAN address is."""

    def is_local(self, address: Address) -> bool:
        """Whether a remote address is not on the Internet: in a LAN network, the gateway's, multicast."""

    def is_own(self, mac: Mac) -> bool:
        """Whether a MAC address is the gateway's own or its next hop's: no device."""

    def attach(self) -> None:
        """Begin to deliver observations into the running event loop; answers go to the firewall before."""

    async def settle(self) -> None:
        """Return when the firewall's rules hold for everything that was resolved before they came."""

    def refresh(self, now: float) -> None:
        """Look again at what may have changed without telling; called every interval."""

    def problems(self, now: float) -> Sequence[Problem]:
        """Return what is wrong with this gateway."""

    def close(self, now: float) -> None:
        """Let go of everything; what is in the kernel stays there."""


MakePlatform = Callable[[Config, Observe], Platform]
