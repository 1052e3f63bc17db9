"""A device that asks somebody else than the gateway for names, so that what it looks up stays hidden."""

from ..models import Row

_DNS_PORTS = {53, 853}
# Resolvers that answer over HTTPS (DoH), with what is below these names.
_DOH_NAMES = (
    "cloudflare-dns.com",
    "dns.adguard-dns.com",
    "dns.adguard.com",
    "dns.alidns.com",
    "dns.controld.com",
    "dns.google",
    "dns.google.com",
    "dns.nextdns.io",
    "dns.quad9.net",
    "dns.sb",
    "dns0.eu",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "dns9.quad9.net",
    "doh.cleanbrowsing.org",
    "doh.dns.apple.com",
    "doh.familyshield.opendns.com",
    "doh.mullvad.net",
    "doh.opendns.com",
    "doh.pub",
    "family.adguard-dns.com",
    "one.one.one.one",
    "unfiltered.adguard-dns.com",
)
_BELOW_DOH_NAMES = tuple(f".{name}" for name in _DOH_NAMES)
# The same, for those who know them by address. 443 on any of these is DoH.
_DOH_ADDRESSES = {
    "1.0.0.1",
    "1.1.1.1",
    "149.112.112.112",
    "208.67.220.220",
    "208.67.222.222",
    "8.8.4.4",
    "8.8.8.8",
    "9.9.9.9",
    "94.140.14.14",
    "94.140.15.15",
    "2001:4860:4860::8844",
    "2001:4860:4860::8888",
    "2606:4700:4700::1001",
    "2606:4700:4700::1111",
    "2620:fe::9",
    "2620:fe::fe",
}
_HTTPS = 443


def is_name_service(row: Row) -> bool:
    """Return whether a row, which is not local, is traffic with a name server."""
    if row.protocol not in {"tcp", "udp"}:
        return False
    if row.port in _DNS_PORTS:
        return True
    if row.port != _HTTPS:
        return False
    if row.name is None:
        return row.address in _DOH_ADDRESSES
    return f".{row.name}".endswith(_BELOW_DOH_NAMES)
