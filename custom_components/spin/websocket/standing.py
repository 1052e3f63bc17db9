"""How a host of a device is judged: by its verdict, by the rules, and by whether it answers."""

from collections.abc import Collection
from dataclasses import dataclass

from ..destination import Key
from ..hosts import ALLOWED, LEARNED, NEW, Host
from ..judgement.outages import Service
from ..rules import ALLOW
from . import flags as flag
from .rulebook import Decision, RuleBook

_VERDICTS = {LEARNED: flag.LEARNING, NEW: flag.NEW, ALLOWED: flag.ALLOWED}


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for a device's hosts.

    Args:
        book: the rules
        automatic: the targets of the rules for this device that a reaction made
        failed: what does not answer
    """

    book: RuleBook
    automatic: frozenset[str | None] = frozenset()
    failed: Collection[Service] = frozenset()

    def decision(self, host: Host) -> Decision | None:
        """Return the rule for destinations that holds for a host."""
        if self.book.has_no_rules:
            return None
        return self.book.destination(host.name if host.named else None, host.reached)

    def flags(self, key: Key, host: Host) -> int:
        """Return the flags of a host, apart from a block of the whole device."""
        found = _VERDICTS[host.verdict]
        if self.failed and Service(host.name, key.protocol, key.port) in self.failed:
            found |= flag.FAILED
        decision = self.decision(host)
        return found if decision is None else self._ruled(found, decision)

    def _ruled(self, found: int, decision: Decision) -> int:
        """Return the flags with what a rule makes of them: whoever made one has judged."""
        if decision.action == ALLOW:
            return found & ~flag.NEW | flag.ALLOWED
        if decision.rule.until is not None:
            found |= flag.TIMED
        if not decision.everyone and decision.rule.target in self.automatic:
            return found | flag.BLOCKED | flag.AUTOMATIC
        return found & ~flag.NEW | flag.BLOCKED

    @property
    def device_flags(self) -> int:
        """The flags of the device that come from a block of all its traffic."""
        if not self.book.blocked:
            return 0
        found = flag.BLOCKED
        if self.book.until is not None:
            found |= flag.TIMED
        return found | flag.AUTOMATIC if None in self.automatic else found
