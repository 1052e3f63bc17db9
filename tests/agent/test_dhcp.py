"""DHCP messages and lease files, as written by devices that may not wish well."""

from pathlib import Path

import framing
import pytest
from framing import DEVICE, address, mac_text
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.decode.dhcp import DhcpError, Lease, parse_dhcp, parse_leases, printable, read_leases

REQUEST, REPLY = 1, 2


def test_a_client_tells_its_name_and_software() -> None:
    message = parse_dhcp(
        framing.dhcp(REQUEST, DEVICE, [(53, b"\1"), (12, b"Philips-hue"), (60, b"udhcp 1.19.4")])
    )
    assert message.request
    assert message.mac == mac_text(DEVICE)
    assert (message.host_name, message.vendor_class) == ("Philips-hue", "udhcp 1.19.4")
    assert message.address is None


def test_a_client_that_tells_nothing() -> None:
    message = parse_dhcp(framing.dhcp(REQUEST, DEVICE, [(53, b"\1")], client="192.168.8.20"))
    assert (message.host_name, message.vendor_class) == (None, None)
    assert message.address == address("192.168.8.20")


def test_a_server_tells_the_network() -> None:
    options = [
        (53, b"\5"),
        (1, address("255.255.255.0")),
        (3, address("192.168.8.1") + address("192.168.8.2")),
    ]
    message = parse_dhcp(framing.dhcp(REPLY, DEVICE, options, your="192.168.8.20"))
    assert not message.request
    assert message.network == (address("192.168.8.20"), 24)
    assert message.routers == [address("192.168.8.1"), address("192.168.8.2")]


@pytest.mark.parametrize("mask", [b"", b"\xff\xff", address("255.0.255.0"), address("0.0.0.0"), b"\xff" * 4])
def test_masks_that_are_none(mask: bytes) -> None:
    assert parse_dhcp(framing.dhcp(REPLY, DEVICE, [(1, mask)], your="192.168.8.20")).network is None


def test_padding_between_options() -> None:
    message = framing.dhcp(REQUEST, DEVICE)[:-1] + b"\0\0\x0c\x03hue\0\xff"
    assert parse_dhcp(message).host_name == "hue"


def test_an_option_in_pieces() -> None:
    assert parse_dhcp(
        framing.dhcp(REQUEST, DEVICE, [(12, b"Philips"), (53, b"\1"), (12, b"-hue")])
    ).host_name == ("Philips-hue")


@pytest.mark.parametrize(
    ("overload", "expected"), [(1, "in-file"), (2, "in-sname"), (3, "in-filein-sname"), (0, None)]
)
def test_options_in_other_fields(overload: int, expected: str | None) -> None:
    message = framing.dhcp(
        REQUEST,
        DEVICE,
        [(52, bytes([overload]))],
        file=b"\x0c\x07in-file\xff",
        server_name=b"\x0c\x08in-sname\xff",
    )
    assert parse_dhcp(message).host_name == expected


def test_options_that_are_cut_off() -> None:
    whole = framing.dhcp(REQUEST, DEVICE, [(12, b"hue"), (60, b"udhcp 1.19.4")])
    message = parse_dhcp(whole[:-4])
    assert (message.host_name, message.vendor_class) == ("hue", None)


@pytest.mark.parametrize("mac", [bytes(6), b"\x01" + bytes(5)])
def test_hardware_addresses_that_are_no_device(mac: bytes) -> None:
    assert parse_dhcp(framing.dhcp(REQUEST, mac)).mac is None


@pytest.mark.parametrize("payload", [b"", bytes(239), bytes(300), framing.dhcp(REQUEST, DEVICE)[:239]])
def test_no_dhcp(payload: bytes) -> None:
    with pytest.raises(DhcpError):
        parse_dhcp(payload)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"HS110(EU)", "HS110(EU)"),
        (b"name\0\0", "name"),
        (b"  ", None),
        (b"", None),
        (b"caf\xc3\xa9", "café"),
        (b"bad\xff", "bad\ufffd"),
        (b"\x1b[2J", "\ufffd[2J"),
        ("\u202egnirts".encode(), "\ufffdgnirts"),
        (b"x" * 300, "x" * 255),
    ],
)
def test_names_are_made_printable(value: bytes, text: str | None) -> None:
    assert printable(value) == text


@settings(max_examples=300, deadline=1000)
@given(head=st.binary(max_size=236), options=st.binary(max_size=300), cookie=st.booleans())
def test_any_message(head: bytes, options: bytes, cookie: bool) -> None:
    payload = head.ljust(236, b"\0") + (b"\x63\x82\x53\x63" if cookie else b"") + options
    try:
        message = parse_dhcp(payload)
    except DhcpError:
        return
    assert message.host_name is None or message.host_name.isprintable()
    assert message.vendor_class is None or message.vendor_class.isprintable()
    assert message.network is None or 0 < message.network[1] < 32
    assert all(len(router) == 4 for router in message.routers)


LEASES = b"""\
1577883600 00:17:88:00:00:01 192.168.8.20 Philips-hue 01:00:17:88:00:00:01
1577883600 00:17:88:00:00:02 192.168.8.21 * *
duid 00:01:00:01:25:a0:00:00:00:17:88:00:00:01
1577883600 8912897 2001:db8::20 Philips-hue 00:01:00:01:25
"""


def test_leases() -> None:
    assert list(parse_leases(LEASES)) == [
        Lease("00:17:88:00:00:01", address("192.168.8.20"), "Philips-hue"),
        Lease("00:17:88:00:00:02", address("192.168.8.21"), None),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"never 00:17:88:00:00:01 192.168.8.20 name id",
        b"1577883600 00:17:88:00:00 192.168.8.20 name id",
        b"1577883600 01:17:88:00:00:01 192.168.8.20 name id",
        b"1577883600 06-00:17:88:00:00:01 192.168.8.20 name id",
        b"1577883600 00:17:88:00:00:01 192.168.8.256 name id",
        b"1577883600 00:17:88:00:00:01 \xff\xfe name id",
        b"1577883600 00:17:88:00:00:01 192.168.8.20",
        b"",
        b"\0" * 100,
    ],
)
def test_lines_that_are_no_lease(line: bytes) -> None:
    assert [lease.host_name for lease in parse_leases(line + b"\n" + LEASES)] == ["Philips-hue", None]


def test_a_lease_name_that_would_control_a_terminal() -> None:
    lease = next(parse_leases(b"1 00:17:88:00:00:01 192.168.8.20 \x1b[31m\x07 id\n"))
    assert lease.host_name == "\ufffd[31m\ufffd"


def test_the_number_of_leases_is_bounded() -> None:
    line = b"1577883600 00:17:88:00:00:01 192.168.8.20 name id\n"
    assert len(list(parse_leases(line * 20_000))) == 4096


def test_a_lease_file_is_read_to_a_bound(tmp_path: Path) -> None:
    path = framing.saved(tmp_path / "leases", LEASES + b"x" * (2 << 20))
    assert len(read_leases(path)) == 2
    with pytest.raises(FileNotFoundError):
        read_leases(tmp_path / "none")


@settings(max_examples=300, deadline=1000)
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_lease_file(data: bytes) -> None:
    for lease in parse_leases(data):
        assert lease.host_name is None or lease.host_name.isprintable()
