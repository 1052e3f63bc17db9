"""The table in a real kernel: made, kept, put back, contested, removed."""

import sys
import time
from collections.abc import Callable, Iterator

import pytest
from kernel_lab import LAN4, Lab, needs_lab

from gateway_agent.kernel import nf_tables, ruleset
from gateway_agent.kernel.listener import Listener
from gateway_agent.kernel.nft import TableError
from gateway_agent.kernel.table import Table, accounting
from gateway_agent.kernel.table_watch import TableWatch

pytestmark = needs_lab

NAT = "table ip nat"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as built, built.gateway.entered():
        yield built


def wait(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.0005)


def listing(lab: Lab) -> str:
    """Return the table as nft shows it, without what traffic and time change."""
    text = lab.gateway.run("nft", "--stateless", "--terse", "list", "table", "inet", "spin")
    constants = [
        lab.gateway.run("nft", "list", "set", "inet", "spin", name) for name in ("lan", "with_ports")
    ]
    return "\n".join([*(line for line in text.splitlines() if "comment" not in line), *constants])


def test_restored_table_is_the_one_that_was_made(lab: Lab) -> None:
    table = Table()
    table.ensure(["br-lan"])
    made, handle, token = listing(lab), table.handle, table.token
    assert table.intact()
    assert not table.restore()
    lab.gateway.run("nft", "flush", "ruleset")
    assert not table.intact()
    assert table.restore()
    assert listing(lab) == made
    assert table.handle != handle
    assert table.token != token
    assert table.intact()


@pytest.mark.parametrize(
    "damage",
    [
        "flush table inet spin",
        "flush chain inet spin lan_asks4",
        "flush chain inet spin account\ndelete chain inet spin account",
        "flush chain inet spin from_lan4\nflush chain inet spin lan_asks4\nadd rule inet spin from_lan4 drop",
        "flush set inet spin lan\nflush set inet spin with_ports",
        "delete table inet spin",
        "delete table inet spin\nadd table inet spin",
        "delete table inet spin\nadd table inet spin { set lan { type ifname; }; }",
    ],
)
def test_any_damage_is_mended(lab: Lab, damage: str) -> None:
    table = Table()
    table.ensure(["br-lan"])
    made = listing(lab)
    lab.gateway.run("nft", "-f", "-", stdin=damage)
    table.restore()
    assert listing(lab) == made


def test_counters_survive_when_only_rules_were_lost(lab: Lab) -> None:
    table = Table()
    table.ensure(["br-lan"])
    lab.devices[0].run("ping", "-c", "1", lab.remote4)
    token = table.token
    lab.gateway.run("nft", "flush", "table", "inet", "spin")
    assert table.restore()
    assert table.token == token
    assert f"{lab.devices[0].ipv4} . {lab.remote4} . icmp . 0" in lab.gateway.run(
        "nft", "list", "set", "inet", "spin", "sent4"
    )


def test_what_nft_lists_nft_reads(lab: Lab) -> None:
    """A user who saves and loads the ruleset loses nothing of ours."""
    Table().ensure(["br-lan"])
    lab.devices[0].run("ping", "-c", "1", lab.remote4)
    saved = lab.gateway.run("nft", "list", "ruleset")
    before = listing(lab)
    lab.gateway.run("nft", "-f", "-", stdin="flush ruleset\n" + saved)
    assert listing(lab) == before


def test_a_restarted_agent_keeps_the_table_and_its_counters(lab: Lab) -> None:
    first = Table()
    first.ensure(["br-lan"])
    lab.devices[0].run("ping", "-c", "1", lab.remote4)
    lab.gateway.run("nft", "flush", "chain", "inet", "spin", "account")
    first.close()
    second = Table()
    second.ensure(["br-lan", "br-iot"])
    assert (second.handle, second.token) == (first.handle, first.token)
    text = lab.gateway.run("nft", "list", "table", "inet", "spin")
    assert "iifname @lan jump from_lan" in text
    assert '{ "br-iot", "br-lan" }' in text or '{ "br-lan", "br-iot" }' in text.replace("\n\t\t\t     ", " ")
    assert f"{lab.devices[0].ipv4} . {lab.remote4} . icmp . 0 counter packets 1" in text


def test_a_table_of_another_layout_is_made_anew(lab: Lab) -> None:
    table = Table()
    lab.gateway.run(
        "nft", 'add table inet spin { comment "spin-gateway-agent 0123456789abcdef 77"; chain old { }; }'
    )
    table.ensure(["br-lan"])
    assert "chain old" not in lab.gateway.run("nft", "list", "table", "inet", "spin")
    assert len(table.token) == 16


def test_a_foreign_table_of_the_same_name_is_left_alone(lab: Lab) -> None:
    lab.gateway.run("nft", "add table inet spin { chain theirs { }; }")
    with pytest.raises(TableError, match="nft delete table inet spin"):
        Table().ensure(["br-lan"])
    with pytest.raises(TableError, match="did not make"):
        Table().remove()
    assert "theirs" in lab.gateway.run("nft", "list", "ruleset")


def test_removal_leaves_no_trace(lab: Lab) -> None:
    before = lab.gateway.run("nft", "list", "ruleset")
    table = Table()
    table.ensure(["br-lan"])
    assert lab.gateway.run("nft", "list", "ruleset") != before
    table.remove()
    assert lab.gateway.run("nft", "list", "ruleset") == before
    table.remove()


@pytest.mark.usefixtures("lab")
def test_a_missing_nft_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_agent.kernel.nft.shutil.which", lambda _program, **_: None)
    with pytest.raises(TableError, match="install the package nftables"):
        Table().ensure(["br-lan"])


def test_a_missing_right_is_named(lab: Lab) -> None:
    code = (
        "import ctypes, sys\n"
        "from gateway_agent.kernel.table import Table\n"
        "from gateway_agent.kernel.nft import TableError\n"
        "header = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
        "ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())\n"
        "try: Table().ensure(['br-lan'])\n"
        "except TableError as error: print(error)\n"
    )
    assert "CAP_NET_ADMIN" in lab.gateway.run(sys.executable, "-c", code)


def test_a_kernel_without_inner_headers_counts_all_but_empty_connections(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ruleset.text
    monkeypatch.setattr(ruleset, "text", lambda *, empty: original(empty=empty) + ("bad" if empty else ""))
    table = Table()
    table.ensure(["br-lan"])
    assert not table.empty
    assert "handshakes" not in lab.gateway.run("nft", "list", "table", "inet", "spin")
    assert table.intact()


def test_accounting_is_seen(lab: Lab) -> None:
    assert accounting()
    lab.gateway.sysctl("netfilter/nf_conntrack_acct", 0)
    assert not accounting()


@pytest.mark.usefixtures("lab")
def test_no_flowtable_is_no_offload() -> None:
    table = Table()
    table.ensure(["br-lan"])
    assert not table.offload()


@pytest.fixture
def watched(lab: Lab) -> Iterator[tuple[Table, TableWatch]]:
    assert lab.gateway.name
    table = Table()
    table.ensure(["br-lan"])
    watch = TableWatch(table)
    listener = Listener()
    listener.add(watch)
    listener.start()
    yield table, watch
    listener.stop()
    watch.close()
    table.close()


def test_a_flushed_table_is_back_within_50_ms(lab: Lab, watched: tuple[Table, TableWatch]) -> None:
    """Every time, and as quickly as that where the machine has nothing else to do (see benchmarks)."""
    table, watch = watched
    milliseconds = []
    for _ in range(20):
        handle = table.handle
        began = time.perf_counter()
        lab.gateway.run("nft", "flush", "ruleset")
        wait(lambda handle=handle: table.handle != handle)
        milliseconds.append((time.perf_counter() - began) * 1000)
    assert watch.restored == 20
    assert table.intact()
    assert min(milliseconds) < 50


def test_our_own_changes_do_not_wake_the_watch(lab: Lab, watched: tuple[Table, TableWatch]) -> None:
    table, watch = watched
    calls = []
    table.restore = lambda: calls.append(1)  # type: ignore[method-assign,assignment,func-returns-value]
    element = nf_tables.encode_key(bytes(6))
    for _ in range(50):
        table.commit(
            list(nf_tables.elements(nf_tables.NEWSETELEM, "spin", "blocked_devices", [element], 0x400))
        )
        table.commit([nf_tables.flush_set("spin", "blocked_devices")])
    lab.gateway.run("nft", "add", "table", "inet", "other")
    time.sleep(0.1)
    assert calls == []
    lab.gateway.run("nft", "add", "element", "inet", "spin", "blocked_devices", "{ 02:00:00:00:00:01 }")
    wait(lambda: calls)
    assert watch.trouble is None


def test_two_who_fight_pause_and_are_named(
    lab: Lab, watched: tuple[Table, TableWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, watch = watched
    monkeypatch.setattr("gateway_agent.kernel.table_watch._AT_MOST", 3)
    watch._recent = type(watch._recent)(maxlen=3)
    for _ in range(3):
        handle = table.handle
        lab.gateway.run("nft", "flush", "ruleset")
        wait(lambda handle=handle: table.handle != handle)
    lab.gateway.run("nft", "flush", "ruleset")
    wait(lambda: watch.trouble)
    assert "nft (process" in str(watch.trouble)
    assert not table.intact()
    assert watch.due() is not None
    watch._resume = time.monotonic()
    watch._recent.clear()
    lab.gateway.run("nft", "add", "table", "inet", "spin")
    wait(table.intact)


def test_traffic_inside_the_lan_and_of_the_gateway_is_left_alone(lab: Lab) -> None:
    Table().ensure(["br-lan"])
    first, second = lab.devices
    assert "1 received" in first.run("ping", "-c", "1", second.ipv4)
    assert "1 received" in first.run("ping", "-c", "1", f"{LAN4}.1")
    assert NAT in lab.gateway.run("nft", "list", "ruleset")
