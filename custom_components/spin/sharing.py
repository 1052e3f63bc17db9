"""What a block of a destination hits besides: whoever else is reached at the same addresses."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from .destination import is_meant
from .device import Device
from .hosts import Host
from .models import Rule

MAX_NAMED = 20


def shared_addresses(
    rule: Rule, devices: Sequence[Device], others: Iterable[Device]
) -> tuple[list[str], list[Device]]:
    """Return who shares the addresses that a rule blocks, at most 20 of each kind.

    May be called from another thread.

    Args:
        rule: what is blocked
        devices: for whom
        others: the devices that keep their access

    Returns:
        the other names of these devices at the same addresses, which are blocked with it; and those of the
        other devices that talk to one of the addresses, too
    """
    blocked = {
        address
        for host in _hosts(devices)
        for address in host.reached
        if (_within(address, rule.address) if rule.address else is_meant(host, rule))
    }
    names = {
        host.name: None
        for host in _hosts(devices)
        if host.named and not is_meant(host, rule) and not blocked.isdisjoint(host.reached)
    }
    sharing = [
        other for other in others if any(not blocked.isdisjoint(host.reached) for host in _hosts([other]))
    ]
    return list(names)[:MAX_NAMED], sharing[:MAX_NAMED]


def _hosts(devices: Iterable[Device]) -> Iterable[Host]:
    return (host for device in devices for known in device.destinations for host in known.each)


def _within(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)
