"""Which payloads are requests of NTP clients."""

import pytest

from gateway_agent.decode.ntp import is_client_request


def first_byte(version: int, mode: int, leap: int = 0) -> int:
    return leap << 6 | version << 3 | mode


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("leap", [0, 3])
@pytest.mark.parametrize("size", [48, 68])
def test_clients(version: int, leap: int, size: int) -> None:
    assert is_client_request(first_byte(version, 3, leap), size)


@pytest.mark.parametrize("mode", [0, 1, 2, 4, 5, 6, 7])
def test_other_modes(mode: int) -> None:
    assert not is_client_request(first_byte(4, mode), 48)


def test_no_version() -> None:
    assert not is_client_request(first_byte(0, 3), 48)


@pytest.mark.parametrize("size", [0, 1, 12, 47])
def test_too_short(size: int) -> None:
    assert not is_client_request(first_byte(4, 3), size)
