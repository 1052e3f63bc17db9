"""Finds gateways over MQTT, and asks for the user's preferences."""

import asyncio
from collections.abc import Callable
from typing import Any, override

import voluptuous as vol
from homeassistant.components import mqtt
from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.core import callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
)
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo

from .const import (
    CONF_BLOCK_HOURS,
    CONF_EXPOSE,
    CONF_GATEWAY,
    CONF_LEARNING_DAYS,
    CONF_MAX_DEVICES,
    CONF_NEW_DEVICES,
    CONF_PREFIX,
    CONF_RANDOM_MACS,
    CONF_REACTION,
    CONF_RELEARN_HOURS,
    CONF_REMOVE_AFTER_DAYS,
    DEFAULT_PREFIX,
    DOMAIN,
    GATEWAY_ID,
    HEAR_TIMEOUT,
    NEW_DEVICES,
    QOS,
    RANDOM_DISABLED,
    RANDOM_ENABLED,
    RANDOM_IGNORE,
    REACTIONS,
    SECTION_DEVICES,
    SECTION_LEARNING,
    SECTION_REACTION,
    SECTION_VOICE,
)
from .coordinator import SpinConfigEntry
from .models import GatewayInfo
from .options import Options
from .wire import UnsupportedProtocolError, WireError, parse_info


class SpinConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a gateway."""

    VERSION = 1

    def __init__(self) -> None:
        """Know of no gateway yet."""
        self._prefix = DEFAULT_PREFIX
        self._found: dict[str, GatewayInfo] = {}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: SpinConfigEntry) -> SpinOptionsFlow:
        """Return the flow for the preferences."""
        return SpinOptionsFlow()

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """Take a gateway that introduced itself on `spin/<gateway>/info`."""
        prefix, gateway, _ = discovery_info.topic.rsplit("/", 2)
        if not discovery_info.payload or not GATEWAY_ID.fullmatch(gateway):
            return self.async_abort(reason="invalid_discovery_info")
        await self.async_set_unique_id(gateway)
        try:
            info = parse_info(_as_bytes(discovery_info.payload), gateway)
        except UnsupportedProtocolError:
            return self.async_abort(reason="unsupported_protocol")
        except WireError:
            return self.async_abort(reason="invalid_discovery_info")
        self._reload_if_given_up()
        self._abort_if_unique_id_configured()
        self._prefix = prefix
        self._found = {gateway: info}
        self.context["title_placeholders"] = {"name": info.name or gateway}
        return await self.async_step_discovery_confirm()

    def _reload_if_given_up(self) -> None:
        """The gateway spoke a protocol that we do not, and now it does."""
        entry = self.hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, self.unique_id or "")
        if entry is not None and entry.state is ConfigEntryState.SETUP_ERROR:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)

    async def async_step_discovery_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Let the user confirm a gateway that introduced itself."""
        ((gateway, info),) = self._found.items()
        if user_input is not None:
            return self._create(gateway)
        self._set_confirm_only()
        return self.async_show_form(
            step_id="discovery_confirm",
            description_placeholders={"name": info.name or gateway, "version": info.version},
        )

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Listen for gateways; ask for the prefix only if there is none with the usual one."""
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            return self.async_abort(reason="mqtt_unavailable")
        errors: dict[str, str] = {}
        prefix = _checked_prefix(DEFAULT_PREFIX if user_input is None else user_input[CONF_PREFIX])
        if prefix is None:
            errors[CONF_PREFIX] = "invalid_prefix"
        else:
            self._prefix = prefix
            self._found = await self._hear(self._prefix, "+")
            configured = self._async_current_ids(include_ignore=False)
            new = {gateway: info for gateway, info in self._found.items() if gateway not in configured}
            if new:
                self._found = new
                return await self.async_step_gateway()
            errors["base"] = "all_configured" if self._found else "no_gateway"
        return self.async_show_form(step_id="user", data_schema=_prefix_schema(self._prefix), errors=errors)

    async def async_step_gateway(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the user choose among the gateways that were heard."""
        if user_input is not None:
            gateway = user_input[CONF_GATEWAY]
            await self.async_set_unique_id(gateway, raise_on_progress=False)
            self._abort_if_unique_id_configured()
            return self._create(gateway)
        options = [
            SelectOptionDict(value=gateway, label=f"{info.name or gateway} ({gateway}, {info.version})")
            for gateway, info in sorted(self._found.items())
        ]
        schema = {
            vol.Required(CONF_GATEWAY, default=options[0]["value"]): SelectSelector(
                SelectSelectorConfig(options=options)
            )
        }
        return self.async_show_form(step_id="gateway", data_schema=vol.Schema(schema))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the user say below which prefix the gateway is found now."""
        entry = self._get_reconfigure_entry()
        prefix = entry.data[CONF_PREFIX]
        errors: dict[str, str] = {}
        if user_input is not None:
            if not await mqtt.async_wait_for_mqtt_client(self.hass):
                return self.async_abort(reason="mqtt_unavailable")
            prefix = user_input[CONF_PREFIX]
            if (checked := _checked_prefix(prefix)) is None:
                errors[CONF_PREFIX] = "invalid_prefix"
            elif await self._hear(checked, entry.data[CONF_GATEWAY]):
                return self.async_update_reload_and_abort(entry, data_updates={CONF_PREFIX: checked})
            else:
                errors["base"] = "no_gateway"
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=_prefix_schema(prefix),
            errors=errors,
            description_placeholders={"gateway": entry.data[CONF_GATEWAY]},
        )

    async def _hear(self, prefix: str, gateway: str) -> dict[str, GatewayInfo]:
        """Return the gateways whose retained introduction comes within a moment."""
        found: dict[str, GatewayInfo] = {}
        done = asyncio.Event()

        @callback
        def received(message: mqtt.ReceiveMessage) -> None:
            name = message.topic.rsplit("/", 2)[1]
            try:
                found[name] = parse_info(_as_bytes(message.payload), name)
            except WireError:
                return
            if gateway != "+":
                done.set()

        unsubscribe = await mqtt.async_subscribe(
            self.hass, f"{prefix}/{gateway}/info", received, QOS, encoding=None
        )
        try:
            await asyncio.wait_for(done.wait(), HEAR_TIMEOUT)
        except TimeoutError:
            pass
        finally:
            unsubscribe()
        return found

    def _create(self, gateway: str) -> ConfigFlowResult:
        return self.async_create_entry(
            title=self._found[gateway].name or gateway,
            data={CONF_GATEWAY: gateway, CONF_PREFIX: self._prefix},
        )


class SpinOptionsFlow(OptionsFlowWithReload):
    """Asks for the preferences of a gateway."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for all of them, in sections."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init", data_schema=_options_schema(Options.read(self.config_entry.options))
        )


def _as_bytes(payload: str | bytes | bytearray) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def _checked_prefix(prefix: str) -> str | None:
    """Return the prefix as it stands in topics, None if it cannot."""
    prefix = prefix.strip().strip("/")
    try:
        return str(mqtt.valid_publish_topic(prefix))
    except vol.Invalid:
        return None


def _prefix_schema(prefix: str) -> vol.Schema:
    return vol.Schema({vol.Required(CONF_PREFIX, default=prefix): TextSelector()})


def _number(least: int, most: int, unit: str | None = None) -> Callable[[Any], Any]:
    config = NumberSelectorConfig(min=least, max=most, step=1, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def _choice(name: str, values: list[str]) -> SelectSelector:
    return SelectSelector(SelectSelectorConfig(options=values, translation_key=name))


def _options_schema(options: Options) -> vol.Schema:
    devices = {
        vol.Required(CONF_MAX_DEVICES, default=options.max_devices): _number(1, 1000),
        vol.Required(CONF_RANDOM_MACS, default=options.random_macs): _choice(
            CONF_RANDOM_MACS, [RANDOM_IGNORE, RANDOM_DISABLED, RANDOM_ENABLED]
        ),
        vol.Required(CONF_REMOVE_AFTER_DAYS, default=options.remove_after_days): _number(0, 3650, "d"),
    }
    learning = {
        vol.Required(CONF_NEW_DEVICES, default=options.new_devices): _choice(CONF_NEW_DEVICES, NEW_DEVICES),
        vol.Required(CONF_LEARNING_DAYS, default=options.learning_days): _number(0, 90, "d"),
        vol.Required(CONF_RELEARN_HOURS, default=options.relearn_hours): _number(0, 720, "h"),
    }
    reaction = {
        vol.Required(CONF_REACTION, default=options.reaction): _choice(CONF_REACTION, REACTIONS),
        vol.Required(CONF_BLOCK_HOURS, default=options.block_hours): _number(0, 8760, "h"),
    }
    voice = {vol.Required(CONF_EXPOSE, default=options.expose): BooleanSelector()}
    sections = {
        SECTION_DEVICES: devices,
        SECTION_LEARNING: learning,
        SECTION_REACTION: reaction,
        SECTION_VOICE: voice,
    }
    return vol.Schema(
        {
            vol.Required(name): section(vol.Schema(fields), {"collapsed": False})
            for name, fields in sections.items()
        }
    )
