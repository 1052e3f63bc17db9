"""The demo's dashboards: the one that SPIN's strategy makes, and one of standard cards only."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.home import documentation
from tests.home.agent import GATEWAY
from tests.home.hassclient import HassClient
from tests.home.household import HUE

PATH = "spin-home"
STANDARD_PATH = "spin-standard"
RATES = ("sent_rate", "received_rate")
Card = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A device with its entity ids by key ("sent", "block", ...)."""

    mac: str
    name: str
    entities: dict[str, str]


def devices(client: HassClient) -> list[Shown]:
    """Return the devices of the gateway that have entities."""
    entities, registered = client.commands(
        [{"type": "config/entity_registry/list"}, {"type": "config/device_registry/list"}]
    )
    names = {device["id"]: device["name_by_user"] or device["name"] for device in registered}
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for entity in entities:
        gateway, mac, key = _parts(str(entity["unique_id"]))
        if entity["platform"] == "spin" and gateway == GATEWAY and not entity["disabled_by"]:
            found[mac, names[entity["device_id"]]][key] = entity["entity_id"]
    return sorted(
        (Shown(mac, name, keys) for (mac, name), keys in found.items()),
        key=lambda shown: (shown.mac != HUE.mac, shown.name.lower()),
    )


def enable_rates(client: HassClient, mac: str) -> None:
    """Enable a device's rate sensors, which are disabled by default."""
    entities = client.command("config/entity_registry/list")
    wanted = {f"{GATEWAY}_{mac}_{key}" for key in RATES}
    client.commands(
        [
            {
                "type": "config/entity_registry/update",
                "entity_id": entity["entity_id"],
                "disabled_by": None,
            }
            for entity in entities
            if entity["unique_id"] in wanted and entity["disabled_by"]
        ]
    )


def end_learning(client: HassClient) -> None:
    """End the learning period of every device: what they do from now on for the first time is new."""
    registered = client.command("config/device_registry/list")
    mine = [each["id"] for each in registered if each["via_device_id"] and _is_spin(each)]
    client.call("spin.skip_learning", device_id=mine)


def _is_spin(device: Card) -> bool:
    return any(domain == "spin" for domain, _ in device["identifiers"])


def create(client: HassClient, shown: list[Shown], *, note: str) -> None:
    """Create the dashboards; `note` is shown on top of the one of standard cards."""
    sections = _sections(shown, note)
    view = {"title": "Devices", "type": "sections", "max_columns": 3, "sections": sections}
    _create(client, PATH, "Internet at home", {"strategy": {"type": "custom:spin"}})
    _create(client, STANDARD_PATH, "With standard cards", {"views": [view]})


def _create(client: HassClient, path: str, title: str, config: Card) -> None:
    client.commands(
        [
            {
                "type": "lovelace/dashboards/create",
                "url_path": path,
                "title": title,
                "icon": "mdi:router-network",
                "mode": "storage",
                "require_admin": False,
                "show_in_sidebar": True,
            },
            {"type": "lovelace/config/save", "url_path": path, "config": config},
        ]
    )


def _sections(shown: list[Shown], note: str) -> list[Card]:
    overview: list[Card] = [
        {"type": "markdown", "content": note},
        {
            "type": "glance",
            "title": "Destinations known",
            "entities": _named(shown, "destinations"),
        },
        {
            "type": "statistics-graph",
            "title": "Received",
            "chart_type": "bar",
            "period": "5minute",
            "stat_types": ["change"],
            "days_to_show": 1,
            "entities": _named(shown, "received"),
        },
        {
            "type": "logbook",
            "title": "What happened",
            "hours_to_show": 2,
            "target": {"entity_id": _all(shown, "block", "activity")},
        },
    ]
    return [{"type": "grid", "cards": overview}, *(_device(each) for each in shown)]


def _device(shown: Shown) -> Card:
    keys = shown.entities
    cards: list[Card] = [{"type": "heading", "heading": shown.name, "icon": "mdi:devices"}]
    if "block" in keys:
        cards.append(
            {
                "type": "tile",
                "entity": keys["block"],
                "name": "Block its Internet",
                "color": "red",
                "grid_options": {"columns": "full"},
                "features": [{"type": "toggle"}],
            }
        )
    listed = [keys[key] for key in ("sent", "received", "destinations", "activity") if key in keys]
    cards.append({"type": "entities", "entities": listed})
    cards.append({**documentation.names_card(shown.name), "grid_options": {"columns": "full"}})
    rates = [keys[key] for key in RATES if key in keys]
    if rates:
        cards.append({"type": "history-graph", "hours_to_show": 0.5, "entities": rates})
    return {"type": "grid", "cards": cards}


def _named(shown: list[Shown], key: str) -> list[Card]:
    return [{"entity": each.entities[key], "name": each.name} for each in shown if key in each.entities]


def _all(shown: list[Shown], *keys: str) -> list[str]:
    return [each.entities[key] for each in shown for key in keys if key in each.entities]


def _parts(unique_id: str) -> tuple[str, str, str]:
    """Split `{gateway}_{mac}_{key}`; entities of the gateway itself have no MAC."""
    gateway, _, rest = unique_id.partition("_")
    mac, _, key = rest.partition("_")
    return (gateway, mac, key) if mac.count(":") == 5 else ("", "", "")
