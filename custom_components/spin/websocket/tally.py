"""The sums over all devices: of each group, and of the whole home."""

from .place import NO_SUMS, Place, Sums, moved
from .sheet import NOTHING, Link


class Tally:
    """Sums that follow the links as they change."""

    def __init__(self) -> None:
        """Begin without a link."""
        self.groups: dict[str, Sums] = {}
        # Who talks to a group, by the ids of the devices.
        self.talkers: dict[str, dict[str, Place]] = {}
        self.hosts = NOTHING
        # How many groups are in the picture.
        self.shown = 0
        self._host_counts: dict[str, int] = {}

    def sums(self, group: str) -> Sums:
        """Return the sums of a group."""
        return self.groups.get(group, NO_SUMS)

    def places(self, group: str) -> list[Place]:
        """Return who talks to a group."""
        return list(self.talkers.get(group, {}).values())

    def host_count(self, group: str) -> int:
        """Count the hosts of a group, each once."""
        count = self._host_counts.get(group)
        if count is None:
            sheets = [place.sheet for place in self.places(group)]
            count = len({service for sheet in sheets for service in sheet.services(group)})
            self._host_counts[group] = count
        return count

    def move(self, place: Place, group: str, before: Link, after: Link) -> None:
        """Take note that a device's link to a group has changed."""
        if before.hosts != after.hosts:
            self._host_counts.pop(group, None)
        place.sums = place.sums.moved(before, after)
        place.hosts = moved(Link, place.hosts, before, after)
        self.hosts = moved(Link, self.hosts, before, after)
        talkers = self.talkers.setdefault(group, {})
        if after.hosts:
            talkers[place.device_id] = place
        else:
            talkers.pop(place.device_id, None)
        former = self.sums(group)
        sums = self.groups[group] = former.moved(before, after)
        self.shown += (sums.shown > 0) - (former.shown > 0)
        if not talkers:
            del self.groups[group], self.talkers[group]
