"""Traffic and lookups of LAN addresses whose MAC address is not known yet: held a while, within bounds."""

from dataclasses import dataclass, field

from gateway_agent.model import MAX_REQUESTS, Address, Answer, Flow, Traffic

PATIENCE = 60.0
"""Seconds until what nobody claimed is given up."""

_MAX_ADDRESSES = 256
_MAX_FLOWS = 2048
_MAX_ANSWERS = 1024


@dataclass(slots=True)
class _Held:
    since: float
    flows: dict[Flow, Traffic] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)


class Unclaimed:
    """Holds what waits for its device; `bytes_given_up` is what was counted for no device."""

    def __init__(self) -> None:
        self._held: dict[Address, _Held] = {}
        self._flows = 0
        self._answers = 0
        self.bytes_given_up = 0

    def __len__(self) -> int:
        """Return how many addresses wait."""
        return len(self._held)

    def hold_traffic(self, flow: Flow, traffic: Traffic) -> None:
        """Keep a difference until its device is known."""
        held = self._room(flow.lan, traffic.last)
        known = held.flows.get(flow) if held else None
        if known is not None:
            _merge(known, traffic)
        elif held is not None and self._flows < _MAX_FLOWS:
            held.flows[flow] = traffic
            self._flows += 1
        else:
            self._give_up(traffic)

    def hold_answer(self, answer: Answer) -> None:
        """Keep a lookup until its device is known."""
        held = self._room(answer.lan, answer.at)
        if held is not None and self._answers < _MAX_ANSWERS:
            held.answers.append(answer)
            self._answers += 1

    def claim(self, address: Address) -> tuple[list[Answer], list[tuple[Flow, Traffic]]]:
        """Hand over what was held for an address: lookups first, because they name the traffic."""
        held = self._remove(address)
        return (held.answers, list(held.flows.items())) if held else ([], [])

    def expire(self, now: float) -> None:
        """Give up what has waited too long."""
        for address in [address for address, held in self._held.items() if held.since <= now - PATIENCE]:
            held = self._remove(address)
            for traffic in held.flows.values() if held else ():
                self._give_up(traffic)

    def _room(self, address: Address, at: float) -> _Held | None:
        held = self._held.get(address)
        if held is None and len(self._held) < _MAX_ADDRESSES:
            held = self._held[address] = _Held(at)
        return held

    def _remove(self, address: Address) -> _Held | None:
        held = self._held.pop(address, None)
        if held is not None:
            self._flows -= len(held.flows)
            self._answers -= len(held.answers)
        return held

    def _give_up(self, traffic: Traffic) -> None:
        self.bytes_given_up += traffic.sent_bytes + traffic.received_bytes


def _merge(known: Traffic, traffic: Traffic) -> None:
    known.first = min(known.first, traffic.first)
    known.last = max(known.last, traffic.last)
    known.sent_bytes += traffic.sent_bytes
    known.sent_packets += traffic.sent_packets
    known.received_bytes += traffic.received_bytes
    known.received_packets += traffic.received_packets
    known.connections += traffic.connections
    known.unanswered += traffic.unanswered
    known.empty += traffic.empty
    known.blocked += traffic.blocked
    known.requests = [*known.requests, *traffic.requests][-MAX_REQUESTS:]
