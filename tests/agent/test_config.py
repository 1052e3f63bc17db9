"""The configuration: the commented example, defaults, and errors that name file, key and remedy."""

import contextlib
import ipaddress
import re
import tomllib
from pathlib import Path

import pytest
import voluptuous as vol
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent import config, config_schema
from gateway_agent.config import Broker, Config, ConfigError, LanOverride, Tls
from gateway_agent.ledger.ledger import Limits

EXAMPLE = Path(__file__).parents[2] / "etc/spin-gateway-agent.toml"
FILE = Path("/etc/x.toml")
_SETTING = re.compile(r"^# ([a-z_]+ = .*|\[[a-z.]+\])$", re.MULTILINE)


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)


def parse(text: str) -> Config:
    return config.parse(text, FILE)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def test_the_example_as_it_stands_is_the_default() -> None:
    assert config.load(EXAMPLE) == config.defaults()


def test_everything_that_the_example_comments_out_is_understood(tmp_path: Path) -> None:
    """Uncommented, every setting is one that the agent knows; what excludes each other is taken apart."""
    (password := tmp_path / "password").write_text("secret\n")
    text = _SETTING.sub(r"\1", EXAMPLE.read_text())
    assert not re.search(r"^# [a-z_]+ =", text, re.MULTILINE)
    text = text.replace("/etc/spin-gateway-agent.password", str(password))
    over_tcp = re.sub(r"^(socket|password) = .*$", "", text, flags=re.MULTILINE)
    read = parse(over_tcp)
    assert read.mqtt.password == "secret"  # noqa: S105 (the test's own)
    assert read.mqtt.tls is not None
    assert read.lan.interfaces
    assert read.limits == Limits()
    over_socket = re.sub(r"^(host|port|password_file) = .*$", "", text, flags=re.MULTILINE)
    over_socket = over_socket.replace("[mqtt.tls]", "[lan]").split("[lan]")[0]
    assert parse(over_socket).mqtt.socket == Path("/run/mosquitto/mqtt.sock")


def test_the_example_s_commented_values_are_the_defaults() -> None:
    commented = _SETTING.sub(r"\1", EXAMPLE.read_text())
    values = tomllib.loads(commented)
    defaults = config.defaults()
    assert values["interval"] == defaults.interval
    assert Path(values["state_directory"]) == defaults.state_directory
    assert Path(values["runtime_directory"]) == defaults.runtime_directory
    assert values["mqtt"]["port"] == defaults.mqtt.port
    assert values["mqtt"]["prefix"] == defaults.mqtt.prefix
    assert Limits(**values["limits"]) == defaults.limits


def test_without_a_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "none.toml")
    assert config.load(None) == config.defaults()
    (tmp_path / "none.toml").write_text('gateway = "attic"')
    assert config.load(None).gateway == "attic"


def test_what_is_set_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}/run:/other")
    read = parse(
        """
        gateway = "attic-2"
        name = "Zolder"
        interval = 2.5
        state_directory = "/data/spin"
        lease_file = "/tmp/leases"
        [mqtt]
        host = "fd00::1"
        username = "spin-attic"
        password = 'p"w'
        prefix = "house/spin"
        tls = { ca = "/ca.crt" }
        [lan]
        interfaces = ["br-lan", "wlan0.3"]
        networks = ["10.0.0.0/8", "fd00::/8"]
        [limits]
        devices = 10
        """
    )
    assert (read.gateway, read.name, read.interval) == ("attic-2", "Zolder", 2.5)
    assert (read.state_directory, read.runtime_directory) == (Path("/data/spin"), tmp_path / "run")
    assert read.lease_file == Path("/tmp/leases")
    assert read.mqtt == Broker(
        host="fd00::1",
        port=8883,
        username="spin-attic",
        password='p"w',  # noqa: S106 (the test's own)
        prefix="house/spin",
        tls=Tls(ca=Path("/ca.crt")),
    )
    assert read.mqtt.place == "[fd00::1]:8883"
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert read.lan == LanOverride(("br-lan", "wlan0.3"), networks)
    assert read.limits == Limits(devices=10)
    assert 'p"w' not in repr(read)


@pytest.mark.parametrize("host", ["broker", "broker.lan", "192.0.2.1", "::1", "fe80::1%br-lan"])
def test_hosts(host: str) -> None:
    assert parse(f"[mqtt]\nhost = '{host}'").mqtt.host == host


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gateway = 'Attic!'", "gateway: 1 to 32 of a-z, 0-9, _ and -"),
        ("gateway = 7", "gateway: 1 to 32 of a-z, 0-9, _ and -"),
        ('name = "a\\u0007"', "name: 1 to 64 characters"),
        ("interval = 0", "interval: seconds from 1 to 300"),
        ("interval = true", "interval: seconds from 1 to 300"),
        ("interval = nan", "interval: seconds from 1 to 300"),
        ("intervall = 5", "intervall: there is no such key; did you mean 'interval'?"),
        ("source = 'packets'", "source: there is no such key; there are: gateway, name, interval"),
        ("lease_file = 'leases'", "lease_file: an absolute path"),
        ("mqtt = 'broker'", "mqtt: write a table, [mqtt]"),
        ("[mqtt]\nport = 70000", "mqtt.port: a port from 1 to 65535"),
        ("[mqtt]\nhots = 'x'", "mqtt.hots: there is no such key; did you mean 'host'?"),
        ("[mqtt]\nprefix = 'a/#'", "mqtt.prefix: a topic without + and #"),
        ("[mqtt]\nprefix = 'spin/'", "mqtt.prefix: a topic without + and #, and without / at its ends"),
        ("[mqtt]\nprefix = '/spin'", "mqtt.prefix: a topic without + and #, and without / at its ends"),
        ("[mqtt]\nprefix = '/'", "mqtt.prefix: a topic without + and #, and without / at its ends"),
        ("[mqtt]\nhost = 'x:1883'", "mqtt.host: a host name or address; the port goes to mqtt.port"),
        ("[mqtt]\nhost = '192.0.2.1:1883'", "mqtt.host: a host name or address; the port goes to"),
        ("[mqtt]\nhost = 'a b'", "mqtt.host: a host name or address"),
        ("[mqtt]\nsocket = '/s'\nhost = 'x'", "mqtt.socket: give either a socket or host, port and tls"),
        ("[mqtt]\npassword = 'x'", "mqtt.username: a password needs a user name beside it"),
        (
            "[mqtt]\nusername = 'x'\npassword = 'x'\npassword_file = '/x'",
            "mqtt.password_file: give either password or password_file",
        ),
        ("[mqtt]\nusername = 'x'\npassword_file = '/none'", "/none: No such file or directory: name a file"),
        ("[mqtt.tls]\nkey = '/k'", "mqtt.tls: certificate and key belong together"),
        ("[lan]\ninterfaces = 'br-lan'", 'lan.interfaces: write a list, ["…"]'),
        ("[lan]\ninterfaces = ['a b']", 'lan.interfaces[0]: an interface name like "br-lan"'),
        ("[lan]\nnetworks = ['10.0.0.1/8']", "lan.networks[0]: a network like"),
        ("[limits]\ndevices = 0", "limits.devices: a number from 1 to 4096"),
        ("gateway = ", "not TOML"),
        ("interval = " + "9" * 5000, "/etc/x.toml: a number of too many digits"),
        ("x = " + "[" * 100_000, "not TOML: nested too deeply"),
    ],
)
def test_every_error_names_file_key_and_remedy(text: str, reason: str) -> None:
    told = refusal(text)
    assert told.startswith(f"{FILE}: ")
    assert reason in told


def test_a_secret_is_in_no_error() -> None:
    assert "hunter2" not in refusal("[mqtt]\nusername = 7\npassword = 'hunter2'")
    assert "hunter2" not in refusal("[mqtt]\npassword = 'hunter2'")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, content, reason in (
        (tmp_path / "none", None, "No such file or directory: name a file that the agent may read"),
        (tmp_path, None, "Is a directory"),
        (tmp_path / "large", b"#" * 2_000_000, "this is no configuration"),
        (tmp_path / "latin", b"name = '\xe9'", "not UTF-8 at byte 8: save it as UTF-8"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            config.load(path)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(["gateway", "name", "interval", "mqtt", "lan", "limits", "lease_file", "x"])


@given(st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse(text), Config)


@given(st.dictionaries(_keys, _values, max_size=4))
def test_every_refusal_of_a_value_can_be_told(values: dict[str, object]) -> None:
    told = None
    try:
        config_schema.check(values)
    except vol.Invalid as error:
        told = config_schema.explain(error)
    assert told != ""
