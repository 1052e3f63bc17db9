"""Tells connections that only look whether the Internet is there from those that say something.

A connection that is set up and closed without a byte of payload is a check; the gateway counts those
as `empty`. Others ask a web page that exists for nothing else and answers with status 204 or a fixed
word: those are probes, known by their names.
"""

from typing import Literal

type Check = Literal["empty", "probe"]

# What operating systems and browsers ask to find out whether they are online (their vendors say so).
PROBES = frozenset(
    {
        "captive.apple.com",
        "captive.g.aaplimg.com",
        "captive.roku.com",
        "clients3.google.com",
        "connect.rom.miui.com",
        "connectivity-check.ubuntu.com",
        "connectivitycheck.android.com",
        "connectivitycheck.cbg-app.huawei.com",
        "connectivitycheck.gstatic.com",
        "connectivitycheck.platform.hicloud.com",
        "connectivitycheck.samsung.com",
        "detectportal.firefox.com",
        "detectportal.prod.mozaws.net",
        "dns.msftncsi.com",
        "edge-http.microsoft.com",
        "internet-check.suse.com",
        "ipv4only.arpa",
        "ipv6.msftconnecttest.com",
        "ipv6.msftncsi.com",
        "network-test.debian.org",
        "networkcheck.kde.org",
        "nmcheck.gnome.org",
        "ping.archlinux.org",
        "www.msftconnecttest.com",
        "www.msftncsi.com",
    }
)


def check_kind(name: str | None, connections: int, empty: int) -> Check | None:
    """Return what kind of connectivity check a destination is used for, None where it is used for more.

    Args:
        name: its full name, None where it has none
        connections: how many connections there were
        empty: how many of them carried no payload
    """
    if connections and empty >= connections:
        return "empty"
    return "probe" if name in PROBES else None
