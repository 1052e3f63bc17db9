"""Whether voice assistants may use a block switch, by the user's option.

A switch that the option exposed is marked in the entity registry: so what the user decides about a
single switch afterwards stays, and taking the option back withdraws only what it had given.
"""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import KNOWN_ASSISTANTS, async_expose_entity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN

ALIAS = "alias"


@callback
def expose(hass: HomeAssistant, entity_id: str, alias: str) -> None:
    """Let voice assistants use an entity, under its name and an alias."""
    entities = er.async_get(hass)
    mark = _mark(entities, entity_id)
    if mark.get(ALIAS) == alias:
        return
    _replace_alias(entities, entity_id, mark.get(ALIAS), alias)
    if not mark:
        _tell_assistants(hass, entity_id, exposed=True)
    entities.async_update_entity_options(entity_id, DOMAIN, {ALIAS: alias})


@callback
def withdraw(hass: HomeAssistant, entity_id: str) -> None:
    """Take back what `expose` did, if it did something."""
    entities = er.async_get(hass)
    mark = _mark(entities, entity_id)
    if not mark:
        return
    _replace_alias(entities, entity_id, mark.get(ALIAS), None)
    _tell_assistants(hass, entity_id, exposed=False)
    entities.async_update_entity_options(entity_id, DOMAIN, None)


def _mark(entities: er.EntityRegistry, entity_id: str) -> Mapping[str, Any]:
    entry = entities.async_get(entity_id)
    return entry.options.get(DOMAIN, {}) if entry else {}


def _replace_alias(
    entities: er.EntityRegistry, entity_id: str, former: str | None, alias: str | None
) -> None:
    entry = entities.async_get(entity_id)
    assert entry is not None  # noqa: S101 (the caller is an entity with a unique id)
    aliases = [known for known in entry.aliases if known not in (former, alias)]
    entities.async_update_entity(entity_id, aliases=aliases if alias is None else [*aliases, alias])


def _tell_assistants(hass: HomeAssistant, entity_id: str, *, exposed: bool) -> None:
    for assistant in KNOWN_ASSISTANTS:
        async_expose_entity(hass, assistant, entity_id, exposed)
