"""Names of the services that devices in a home use (IANA service names, and what is customary)."""

_SERVICES = {
    ("tcp", 21): "ftp",
    ("tcp", 22): "ssh",
    ("tcp", 23): "telnet",
    ("tcp", 25): "smtp",
    ("tcp", 53): "dns",
    ("tcp", 80): "http",
    ("tcp", 110): "pop3",
    ("tcp", 143): "imap",
    ("tcp", 443): "https",
    ("tcp", 465): "smtps",
    ("tcp", 554): "rtsp",
    ("tcp", 587): "submission",
    ("tcp", 853): "dns over tls",
    ("tcp", 993): "imaps",
    ("tcp", 995): "pop3s",
    ("tcp", 1883): "mqtt",
    ("tcp", 1935): "rtmp",
    ("tcp", 3478): "stun",
    ("tcp", 4070): "spotify",
    ("tcp", 5222): "xmpp",
    ("tcp", 5223): "apple push",
    ("tcp", 5228): "google push",
    ("tcp", 8080): "http",
    ("tcp", 8443): "https",
    ("tcp", 8883): "mqtts",
    ("udp", 53): "dns",
    ("udp", 80): "quic",
    ("udp", 123): "ntp",
    ("udp", 443): "quic",
    ("udp", 500): "ipsec",
    ("udp", 853): "dns over quic",
    ("udp", 3478): "stun",
    ("udp", 4500): "ipsec",
    ("udp", 5683): "coap",
    ("udp", 5684): "coaps",
    ("udp", 51820): "wireguard",
}


def service_name(protocol: str, port: int) -> str | None:
    """Return what is spoken on a port, as far as that is customary."""
    return _SERVICES.get((protocol, port))
