"""Real captures, replayed through the command line, against what TShark says of them.

The captures and TShark's figures lie beside the checkout (`SPIN_CAPTURES` names another folder).
"""

import ipaddress
import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from replaying import Replayed, replayed

from gateway_agent.topology import made_up_mac

FOLDER = Path(os.environ.get("SPIN_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
FILES = sorted(FOLDER.glob("*.pcap*"))

# A LAN without any private address does not explain itself.
LAN = {"zeek-dns-svcb-ech.pcap": ["--lan", "2a02:6bf:8080:165::/64"]}
# Addresses that a DHCP server only offered: no packet comes from them, so TShark tells no owner.
OFFERED = {"zeek-dhcp.pcap": dict.fromkeys(("128.2.6.97", "128.2.6.189"), "90:b1:1c:99:49:29")}
# TShark's list does not say whether client or server sent a vendor class; only the client's is the client's.
TOLD_BY_A_SERVER = {"zeek-dhcp.pcap"}
DEVICES = {"zeek-dhcp.pcap": {"00:0c:29:40:0e:ef"}}

pytestmark = [
    pytest.mark.captures,
    pytest.mark.skipif(not FILES, reason=f"no captures in {FOLDER}; SPIN_CAPTURES names another folder"),
]

Oracle = dict[str, Any]


def oracle_of(path: Path) -> Oracle:
    loaded: Oracle = json.loads((FOLDER / "oracle" / f"{path.name}.json").read_text())
    return loaded


def owners(oracle: Oracle) -> dict[str, str]:
    """Return the device behind each address that sent anything; a MAC with a public one is a router."""
    file = oracle["file"]
    found: dict[str, str] = dict(OFFERED.get(file, {}))
    for mac, addresses in oracle["src_ips_by_mac"].items():
        if not mac:
            lan = ipaddress.ip_network(LAN[file][1])
            inside = [text for text in addresses if ipaddress.ip_address(text) in lan]
            found.update((text, made_up_mac(ipaddress.ip_address(text).packed)) for text in inside)
        elif mac in DEVICES.get(file, set()) or not any(map(public, addresses)):
            found.update((text, mac) for text in addresses)
    return found


def public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return address.is_global and not address.is_multicast


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.name)
def both(request: pytest.FixtureRequest) -> tuple[Replayed, Oracle]:
    path: Path = request.param
    return replayed(path, *LAN.get(path.name, [])), oracle_of(path)


def test_packets_and_bytes_per_device_and_remote_address(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    owner = owners(oracle)
    expected: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for pair, counts in oracle["directed_ip_pairs"].items():
        source, destination = pair.split(" > ")
        for device, remote, index in ((source, destination, 0), (destination, source, 2)):
            if device in owner:
                expected[owner[device], remote][index] += counts["packets"]
                expected[owner[device], remote][index + 1] += counts["ip_bytes"]
    assert result.by_address() == {key: tuple(counts) for key, counts in expected.items()}
    assert expected


def test_every_device_and_no_gateway(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    assert set(result.devices) == set(owners(oracle).values())
    for mac, device in result.devices.items():
        used = {text for text, each in owners(oracle).items() if each == mac}
        assert set(device["addresses"]) == used - {"0.0.0.0", "::"}


def test_the_sums_are_those_of_the_rows(both: tuple[Replayed, Oracle]) -> None:
    result, _ = both
    for mac, counters in result.counters.items():
        rows = [row for row in result.rows.values() if row["mac"] == mac and not row["local"]]
        for name, value in counters.items():
            assert value == sum(row[name] for row in rows)
        assert result.devices[mac]["counters"] == counters
    assert all(not any(omitted.values()) for omitted in result.omitted.values())


def test_names_are_those_that_were_asked_for(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    names = oracle["ip_to_queried_names"]
    for address, found in result.names().items():
        assert found <= set(names.get(address, [])) if address in names else found == {None}, address


def test_names_without_traffic_are_lookups(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    asked = {(response["client"], response["qname"]) for response in oracle["dns_responses"]}
    owner = owners(oracle)
    told = {(row["mac"], row["name"]) for row in result.rows.values() if row["name"]} | set(result.lookups)
    assert told == {(owner[client], name) for client, name in asked}


def test_requests_of_ntp_clients(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    servers = oracle["ntp_client_requests"]["per_server"]
    owner = owners(oracle)
    found = {key: times for key, times in result.requests.items() if times}
    assert Counter({key: len(times) for key, times in found.items()}) == Counter(
        {(owner[server["src"]], server["dst"]): server["requests"] for server in servers}
    )
    for server in servers:
        times = found[owner[server["src"]], server["dst"]]
        if server["intervals"]:
            assert (times[-1] - times[0]) / server["intervals"] == pytest.approx(server["mean"], abs=0.002)


def test_connections_set_up_and_closed_without_payload(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    owner = owners(oracle)
    assert result.total("empty") == {
        (owner[each["src"]], each["dst"], each["port"]): each["count"]
        for each in oracle["tcp"]["established_zero_payload_closed"]["by"]
    }


def test_connections_that_nobody_answered(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    owner = owners(oracle)
    found: Counter[str] = Counter()
    hosts: dict[str, set[str]] = defaultdict(set)
    for (mac, address, _), number in result.total("unanswered", "tcp").items():
        found[mac] += number
        hosts[mac].add(address)
    sources = oracle["tcp"]["syn_without_synack"]["per_source"]
    assert found == Counter({owner[source["src"]]: source["streams"] for source in sources})
    assert {mac: len(each) for mac, each in hosts.items()} == {
        owner[source["src"]]: source["distinct_dst"] for source in sources
    }


def test_host_names(both: tuple[Replayed, Oracle]) -> None:
    result, oracle = both
    told: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for mac, host_name, vendor_class, _ in oracle["dhcp"]:
        told[mac].add((host_name or None, vendor_class or None))
    for mac, device in result.devices.items():
        assert device["hostname"] in {name for name, _ in told[mac]} | {None}
        assert (device["hostname"] is None) == all(name is None for name, _ in told[mac])
        assert device["vendor_class"] in {vendor for _, vendor in told[mac]} | {None}
        if oracle["file"] not in TOLD_BY_A_SERVER:
            assert (device["vendor_class"] is None) == all(vendor is None for _, vendor in told[mac])
