"""Times 10,000 block rules in one transaction: `python -m benchmarks.rules`, in a namespace of its own.

Prints the best of nine runs in milliseconds, by kind of rule, as JSON.
"""

import ipaddress
import json
import time

from gateway_agent.firewall.firewall import Firewall
from gateway_agent.kernel.table import Table
from gateway_agent.wire.policy import DevicePolicy, Policy, Rule

_RULES = 10_000
_RUNS = 9
_MAC = "02:00:00:00:00:01"


def policies() -> dict[str, Policy]:
    """Return a policy of 10,000 rules for each kind."""
    hosts = (ipaddress.ip_network((0x0A000000 + number * 7, 32)) for number in range(_RULES))
    addresses = tuple(Rule("block", network=host) for host in hosts)
    names = tuple(Rule("block", name=f"n{number}.example.com") for number in range(_RULES))
    macs = (f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}" for number in range(_RULES))
    return {
        "devices": Policy(1, {mac: DevicePolicy(blocked=True) for mac in macs}),
        "a device's addresses": Policy(1, {_MAC: DevicePolicy(destinations=addresses)}),
        "everyone's addresses": Policy(1, {}, addresses),
        "everyone's names": Policy(1, {}, names),
    }


def main() -> None:
    """Apply each policy to an empty firewall several times."""
    table = Table()
    table.ensure(["lan"])
    firewall = Firewall(table, lambda _: ())
    best = {}
    for kind, policy in policies().items():
        milliseconds = []
        for _ in range(_RUNS):
            firewall.apply(Policy(), time.time())
            began = time.perf_counter()
            firewall.apply(policy, time.time())
            milliseconds.append((time.perf_counter() - began) * 1000)
        best[kind] = round(min(milliseconds), 1)
    print(json.dumps(best))


if __name__ == "__main__":
    main()
