"""The text of `table inet spin`: what the kernel counts, logs and refuses.

Two base chains do the work for every packet: `account` at the end of the forward hook, so that only what
the gateway's own firewall let through is counted, and `names` at the end of postrouting, where a DNS answer
looks as the device will see it, whether forwarded or from the gateway's resolver. A third, `gate`, is put in
front of the forward hook while there is something to enforce (firewall.py); it is no part of this text.

Keys are LAN address . remote address . protocol . responder's port; the port is 0 where the protocol has none
and for packets that conntrack does not know. All sets and maps have names, because only those can be put back
by replaying a dump of them (table.py).
"""

import hashlib
from typing import Final

TABLE: Final = "spin"
NFLOG_GROUP: Final = 7746
DNS, CONTACT, INBOUND_CONTACT, CLOCK, HELLO = "d", "c", "i", "n", "t"
"""Prefixes of logged packets: a DNS answer; the first packet of a flow that is not counted yet, from the LAN
or to it; an NTP client's request; a TLS client's hello."""

COUNTED: Final = ("sent", "received", "opened", "answered", "empty", "blocked")
"""Accounting sets, each for IPv4 (suffix 4) and IPv6 (suffix 6)."""

COUNTED_SECONDS: Final = 86_400
"""How long the kernel keeps what was counted; each packet begins that time anew."""

LEVELS: Final = ("device_allow", "device_block", "everyone_allow", "everyone_block")
"""Rule sets in the order in which they decide: MAC . address pairs; with `_networks` the intervals."""

HOSTS: Final = ("everyone_allow_hosts", "everyone_block_hosts")
"""The single addresses of rules for everyone, apart from the networks: the kernel takes them in less time."""

GATE, OUTBOUND, CROSSING, PASS, BLOCKED_DEVICES = "gate", "outbound", "crossing", "pass", "blocked_devices"
MARK: Final = "spin-gateway-agent"
MAX_ELEMENTS: Final = 65_535
"""The kernel's limit for sets without a size: named here, it would be allocated at once, a megabyte a set."""

_COMMON = """
  set lan { type ifname; }
  set with_ports { type inet_proto; elements = { 6, 17, 33, 132, 136 }; }
  set blocked_devices { type ether_addr; flags timeout; gc-interval 1m; }
  counter overflow { }
  counter unlogged { }

  chain account {
    type filter hook forward priority 300; policy accept;
    iifname @lan jump from_lan
    oifname @lan jump to_lan
  }
  chain from_lan {
    meta nfproto ipv4 goto from_lan4
    meta nfproto ipv6 goto from_lan6
  }
  chain to_lan {
    meta nfproto ipv4 goto to_lan4
    meta nfproto ipv6 goto to_lan6
  }

  chain names {
    type filter hook postrouting priority 300; policy accept;
    oifname @lan udp sport 53 ct direction reply goto dns
    oifname @lan tcp sport 53 tcp flags & psh == psh ct direction reply goto dns
  }
  chain unlogged {
    counter name unlogged
  }
  chain dns {
    update @dns_rate4 { ip daddr limit rate over 2500/second burst 2500 packets } goto unlogged
    update @dns_rate6 { ip6 daddr limit rate over 2500/second burst 2500 packets } goto unlogged
    limit rate over 5000/second burst 5000 packets goto unlogged
    log prefix "d" group 7746 snaplen 4200
  }
  chain contact {
    limit rate over 500/second burst 1000 packets goto unlogged
    log prefix "c" group 7746 snaplen 80
  }
  chain inbound_contact {
    limit rate over 500/second burst 1000 packets goto unlogged
    log prefix "i" group 7746 snaplen 80
  }
  chain clock {
    limit rate over 500/second burst 1000 packets goto unlogged
    log prefix "n" group 7746 snaplen 80
  }
  chain log_hello {
    limit rate over 1000/second burst 2000 packets goto unlogged
    log prefix "t" group 7746 snaplen 4200
  }

  chain outbound { }
  chain crossing {
    oifname != @lan goto outbound
    iifname != @lan goto inbound
  }
  chain inbound {
    ip daddr @cut_devices4 drop
    ip saddr . ip daddr @cut4 drop
    ip6 daddr @cut_devices6 drop
    ip6 saddr . ip6 daddr @cut6 drop
  }
  chain pass {
    meta nfproto ipv4 goto pass4
    meta nfproto ipv6 goto pass6
  }
  chain blocked_devices {
    ether saddr @blocked_devices goto hold
  }
  chain hold {
    meta nfproto ipv4 goto hold4
    meta nfproto ipv6 goto hold6
    drop
  }
  chain refuse {
    meta nfproto ipv4 goto refuse4
    meta nfproto ipv6 goto refuse6
    drop
  }
  chain deny {
    limit rate over 1000/second burst 1000 packets drop
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }
"""

_LEVEL = """
  chain {level} {{
    ether saddr . ip daddr @{level}4 goto {verdict}
    ether saddr . ip6 daddr @{level}6 goto {verdict}
  }}
  chain {level}_networks {{
    {networks4} @{level}_networks4 goto {verdict}
    {networks6} @{level}_networks6 goto {verdict}
  }}
"""

_HOSTS = """
  chain {hosts} {{
    ip daddr @{hosts}4 goto {verdict}
    ip6 daddr @{hosts}6 goto {verdict}
  }}
"""

_FAMILY = """
  {sets}
  set learned{v} {{ type ether_addr . {addr}; size 4096; flags dynamic,timeout; timeout 1d; gc-interval 1m; }}
  set dns_rate{v} {{ type {addr}; size 4096; flags dynamic,timeout; timeout 1m; gc-interval 1m; }}
  set contact_rate{v} {{ type {addr}; size 4096; flags dynamic,timeout; timeout 1m; gc-interval 1m; }}
  set clock_rate{v} {{ type {addr}; size 4096; flags dynamic,timeout; timeout 1m; gc-interval 1m; }}
  set cut_devices{v} {{ type {addr}; flags dynamic,timeout; gc-interval 1m; }}
  set cut{v} {{ type {addr} . {addr}; flags dynamic,timeout; gc-interval 1m; }}

  chain from_lan{v} {{
    meta l4proto @with_ports ct direction original goto lan_asks{v}
    meta l4proto @with_ports ct direction reply goto lan_replies{v}
    ct status ! confirmed ct direction original jump lan_opens_other{v}
    ct state established ct reply packets 1 ct direction reply update @answered{v} {{ {sends} }}
    update @sent{v} {{ {sends} }} return
    counter name overflow
  }}
  chain to_lan{v} {{
    meta l4proto @with_ports ct direction reply goto lan_is_answered{v}
    meta l4proto @with_ports ct direction original goto lan_is_asked{v}
    ct status ! confirmed ct direction original jump other_opens_lan{v}
    ct state established ct reply packets 1 ct direction reply update @answered{v} {{ {receives} }}
    update @received{v} {{ {receives} }} return
    counter name overflow
  }}

  chain lan_asks{v} {{
    ct status ! confirmed jump lan_opens{v}
    udp dport 123 @th,64,8 & 0x07 == 0x03 jump clock{v}
    {lan_early_rule}
    update @sent{v} {{ {asks} }} return
    counter name overflow
  }}
  chain lan_opens{v} {{
    {asks} != @opened{v} jump contact_of_source{v}
    update @opened{v} {{ {asks} }}
    update @learned{v} {{ ether saddr . {s} }}
  }}
  chain lan_opens_other{v} {{
    jump contact_of_source{v}
    update @opened{v} {{ {sends} }}
    update @learned{v} {{ ether saddr . {s} }}
  }}
  chain lan_is_answered{v} {{
    ct reply packets < 10 jump early_answer{v}
    update @received{v} {{ {is_answered} }} return
    counter name overflow
  }}
  chain early_answer{v} {{
    ct reply packets 1 update @answered{v} {{ {is_answered} }}
    {remote_early_rule}
  }}
  chain lan_is_asked{v} {{
    ct status ! confirmed jump remote_opens{v}
    update @received{v} {{ {is_asked} }} return
    counter name overflow
  }}
  chain remote_opens{v} {{
    {is_asked} != @opened{v} jump contact_of_destination{v}
    update @opened{v} {{ {is_asked} }}
  }}
  chain other_opens_lan{v} {{
    jump contact_of_destination{v}
    update @opened{v} {{ {receives} }}
  }}
  chain lan_replies{v} {{
    ct reply packets 1 update @answered{v} {{ {replies} }}
    update @sent{v} {{ {replies} }} return
    counter name overflow
  }}

  chain contact_of_source{v} {{
    update @contact_rate{v} {{ {s} limit rate over 20/second burst 100 packets }} goto unlogged
    goto contact
  }}
  chain contact_of_destination{v} {{
    update @contact_rate{v} {{ {d} limit rate over 20/second burst 100 packets }} goto unlogged
    goto inbound_contact
  }}
  chain clock{v} {{
    update @clock_rate{v} {{ {s} limit rate over 10/second burst 100 packets }} goto unlogged
    goto clock
  }}

  chain hold{v} {{
    ct status ! confirmed update @learned{v} {{ ether saddr . {s} }}
    update @cut_devices{v} {{ {s} timeout 1d }}
    goto refuse{v}
  }}
  chain refuse{v} {{
    update @cut{v} {{ {d} . {s} timeout 1d }}
    meta l4proto @with_ports ct direction original goto refuse_asking{v}
    meta l4proto @with_ports ct direction reply goto refuse_replying{v}
    update @blocked{v} {{ {sends} }} goto deny
    counter name overflow goto deny
  }}
  chain refuse_asking{v} {{
    {asks} != @blocked{v} jump contact_of_source{v}
    udp dport 123 @th,64,8 & 0x07 == 0x03 jump clock{v}
    update @blocked{v} {{ {asks} }} goto deny
    counter name overflow goto deny
  }}
  chain refuse_replying{v} {{
    update @blocked{v} {{ {replies} }} goto deny
    counter name overflow goto deny
  }}
  chain pass{v} {{
    delete @cut_devices{v} {{ {s} }}
    delete @cut{v} {{ {d} . {s} }}
    accept
  }}
"""

# A connection that was set up is remembered until its first byte of payload; one that is still remembered
# when both sides have closed it, or either has reset it, was empty. Only the first packets are looked at: a
# connection with more of them is not called empty. `@ih,0,8 0-255` matches what has a first byte of payload.
# Of a device's TLS connections to one address only some are logged: their names are most often the same. What
# follows a hello within its connection's first packets is logged too, because it may be the rest of it.
_EMPTY = """
  set handshakes{v} {{ {connection} timeout 1h; gc-interval 10s; }}
  set lan_closed{v} {{ {connection} timeout 10m; gc-interval 10s; }}
  set remote_closed{v} {{ {connection} timeout 10m; gc-interval 10s; }}
  set early_data{v} {{ {connection} timeout 1m; gc-interval 10s; }}
  set unfinished_hellos{v} {{ {connection} timeout 3s; gc-interval 10s; }}
  set hello_rate{v} {{ type {addr} . {addr}; size 16384; flags dynamic,timeout; timeout 1m; gc-interval 1m; }}
  set device_hello_rate{v} {{ type {addr}; size 4096; flags dynamic,timeout; timeout 1m; gc-interval 1m; }}
  chain lan_early{v} {{
    @ih,0,8 0-255 goto lan_says{v}
    tcp flags & (fin | rst) != 0 ct reply packets < 10 {outward} @handshakes{v} goto lan_closes{v}
  }}
  chain lan_closes{v} {{
    tcp flags & rst == rst goto was_empty{v}
    {outward} @remote_closed{v} goto was_empty{v}
    update @lan_closed{v} {{ {outward} }}
  }}
  chain was_empty{v} {{
    update @empty{v} {{ {asks} }}
    delete @handshakes{v} {{ {outward} }}
  }}
  chain lan_says{v} {{
    delete @handshakes{v} {{ {outward} }}
    ct status ! confirmed update @early_data{v} {{ {outward} }}
    @ih,0,16 0x1603 @ih,40,8 0x01 goto hello{v}
    {outward} @unfinished_hellos{v} goto log_hello
  }}
  chain hello{v} {{
    update @hello_rate{v} {{ {s} . {d} limit rate over 6/hour burst 4 packets }} return
    update @device_hello_rate{v} {{ {s} limit rate over 100/second burst 500 packets }} goto unlogged
    update @unfinished_hellos{v} {{ {outward} }}
    goto log_hello
  }}
  chain remote_early{v} {{
    tcp flags & (syn | ack) == syn | ack ct reply packets 1 {inward} != @early_data{v} jump handshake{v}
    @ih,0,8 0-255 delete @handshakes{v} {{ {inward} }} return
    tcp flags & (fin | rst) != 0 ct original packets < 10 {inward} @handshakes{v} goto remote_closes{v}
  }}
  chain handshake{v} {{
    update @handshakes{v} {{ {inward} }}
    delete @lan_closed{v} {{ {inward} }}
    delete @remote_closed{v} {{ {inward} }}
  }}
  chain remote_closes{v} {{
    tcp flags & rst == rst goto answered_empty{v}
    {inward} @lan_closed{v} goto answered_empty{v}
    update @remote_closed{v} {{ {inward} }}
  }}
  chain answered_empty{v} {{
    update @empty{v} {{ {is_answered} }}
    delete @handshakes{v} {{ {inward} }}
  }}
"""


def text(*, empty: bool) -> str:
    """Return the table's text for `nft -f`, without its comment; `empty` needs Linux 5.16 (inner header)."""
    parts = [_COMMON]
    for level in LEVELS:
        verdict = PASS if level.endswith("allow") else "refuse"
        whose = "ether saddr . " if level.startswith("device") else ""
        parts.append(
            _LEVEL.format(
                level=level,
                verdict=verdict,
                networks4=f"{whose}ip daddr",
                networks6=f"{whose}ip6 daddr",
            )
        )
    for hosts, verdict in zip(HOSTS, (PASS, "refuse"), strict=True):
        parts.append(_HOSTS.format(hosts=hosts, verdict=verdict))
    for version, protocol in (("4", "ip"), ("6", "ip6")):
        names = _names(version, protocol)
        early = f"meta l4proto tcp ct original packets < 10 jump lan_early{version}" if empty else ""
        answer = f"meta l4proto tcp jump remote_early{version}" if empty else ""
        parts.append(
            _FAMILY.format(**names, sets=_sets(version), lan_early_rule=early, remote_early_rule=answer)
        )
        if empty:
            parts.append(_EMPTY.format(**names))
    return "".join(parts)


def _names(version: str, protocol: str) -> dict[str, str]:
    """Return what the texts of one IP version are filled with: keys as seen from a packet's direction."""
    source, destination, address = f"{protocol} saddr", f"{protocol} daddr", f"ipv{version}_addr"
    to, back = f"{source} . {destination}", f"{destination} . {source}"
    return {
        "v": version,
        "addr": address,
        "s": source,
        "d": destination,
        "asks": f"{to} . meta l4proto . th dport",
        "replies": f"{to} . meta l4proto . th sport",
        "sends": f"{to} . meta l4proto . 0",
        "is_asked": f"{back} . meta l4proto . th dport",
        "is_answered": f"{back} . meta l4proto . th sport",
        "receives": f"{back} . meta l4proto . 0",
        "connection": f"type {address} . inet_service . {address} . inet_service; flags dynamic,timeout;",
        "outward": f"{source} . th sport . {destination} . th dport",
        "inward": f"{destination} . th dport . {source} . th sport",
    }


def _sets(version: str) -> str:
    address = f"ipv{version}_addr"
    lines = [
        f"set {name}{version} {{ type {address} . {address} . inet_proto . inet_service;"
        f" flags dynamic,timeout; timeout {COUNTED_SECONDS}s; gc-interval 1m; counter; }}"
        for name in COUNTED
    ]
    for level in LEVELS:
        whose = "ether_addr . " if level.startswith("device") else ""
        lines.append(
            f"set {level}{version} {{ type ether_addr . {address}; flags timeout; gc-interval 1m; }}"
        )
        lines.append(f"set {level}_networks{version} {{ type {whose}{address}; flags interval,timeout; }}")
    lines += [f"set {name}{version} {{ type {address}; flags timeout; gc-interval 1m; }}" for name in HOSTS]
    return "\n  ".join(lines)


def layout(*, empty: bool) -> str:
    """Return what tells this layout from that of another version of the agent."""
    return hashlib.sha256(text(empty=empty).encode()).hexdigest()[:16]
