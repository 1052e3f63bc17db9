"""The actions `spin.*` of the studies."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from datetime import timedelta
from typing import Any

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import VolDictType

from ..actions import rule_of
from ..const import DOMAIN
from ..coordinator import SpinCoordinator
from ..models import Mac
from ..targets import check_administrator, devices_only, targets_to_change, targets_to_read
from . import mud
from .experiment import KINDS, Experiment
from .experiments import Experiments
from .mud_file import MudError, read
from .periods import MAX_LABEL
from .profile import compare
from .record import Record

MEGABYTE = 1_000_000

type Action = Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]
type Meant = Mapping[SpinCoordinator, list[Mac]]


_EXPERIMENT: VolDictType = {
    vol.Required("kind"): vol.In(KINDS),
    vol.Optional("duration", default=timedelta(minutes=10)): vol.All(
        cv.positive_time_period, vol.Range(min=timedelta(seconds=10), max=timedelta(days=1))
    ),
    vol.Optional("destinations", default=list): vol.All(cv.ensure_list, [cv.string], vol.Length(max=20)),
}
_CAPTURE: VolDictType = {
    vol.Optional("duration", default=timedelta(minutes=5)): vol.All(
        cv.positive_time_period, vol.Range(min=timedelta(seconds=1), max=timedelta(hours=1))
    ),
    vol.Optional("max_size", default=20): vol.All(vol.Coerce(float), vol.Range(min=0.01, max=1000)),
    vol.Optional("headers_only", default=False): cv.boolean,
}
_LABEL = vol.All(cv.string, vol.Length(max=MAX_LABEL))
_PERIOD = vol.All(cv.string, vol.Length(min=1, max=MAX_LABEL))


@callback
def async_setup_study_actions(hass: HomeAssistant) -> None:
    """Register the actions."""

    def register(name: str, action: Action, fields: VolDictType, response: SupportsResponse) -> None:
        schema = vol.Schema({**cv.TARGET_SERVICE_FIELDS, **fields})
        hass.services.async_register(DOMAIN, name, action, schema, supports_response=response)

    only, optional = SupportsResponse.ONLY, SupportsResponse.OPTIONAL
    register("start_experiment", _start_experiment, _EXPERIMENT, optional)
    register("stop_experiment", _stop_experiment, {}, optional)
    register("get_experiment", _get_experiment, {vol.Optional("experiment"): cv.string}, only)
    register("get_time_sync", _get_time_sync, {}, only)
    register("begin_period", _begin_period, {vol.Optional("label"): _LABEL}, optional)
    register(
        "compare_profiles",
        _compare_profiles,
        {vol.Optional("before"): _PERIOD, vol.Optional("after"): _PERIOD},
        only,
    )
    register("export_mud", _export_mud, {}, only)
    register(
        "import_mud",
        _import_mud,
        {vol.Required("content"): cv.string, vol.Optional("enforce", default=False): cv.boolean},
        optional,
    )
    register("remove_mud", _remove_mud, {}, optional)
    register("start_capture", _start_capture, _CAPTURE, optional)
    register("stop_capture", _stop_capture, {}, optional)


def _each(meant: Meant) -> Iterator[tuple[SpinCoordinator, Mac, Record]]:
    for coordinator, macs in meant.items():
        for mac in macs:
            if mac in coordinator.devices:
                yield coordinator, mac, coordinator.study.record(mac)


async def _to_change(call: ServiceCall) -> list[tuple[SpinCoordinator, Mac, Record]]:
    return list(_each(devices_only(await targets_to_change(call))))


async def _to_read(call: ServiceCall) -> list[tuple[SpinCoordinator, Mac, Record]]:
    return list(_each(devices_only(await targets_to_read(call))))


def _answer(found: Mapping[tuple[SpinCoordinator, Mac], dict[str, Any]]) -> ServiceResponse:
    return {
        "devices": {
            coordinator.registry.device_id(mac): {
                "name": coordinator.registry.name(mac),
                "mac": mac,
                **data,
            }
            for (coordinator, mac), data in found.items()
        }
    }


def _target(destination: str) -> str:
    return rule_of(destination).target


async def _start_experiment(call: ServiceCall) -> ServiceResponse:
    kind, only = call.data["kind"], tuple(dict.fromkeys(map(_target, call.data["destinations"])))
    seconds = call.data["duration"].total_seconds()
    targets = await _to_change(call)
    for coordinator, mac, _ in targets:
        await coordinator.study.experiments.check(mac, kind, only)
    begun = {}
    async with AsyncExitStack() as undo:
        for coordinator, mac, record in targets:
            experiments = coordinator.study.experiments
            experiment = await experiments.start(mac, kind, seconds, only, call.context.user_id)
            undo.push_async_callback(_give_up, experiments, mac)
            begun[coordinator, mac] = experiment.result(record.checks())
        undo.pop_all()
    return _answer(begun)


async def _give_up(experiments: Experiments, mac: Mac) -> None:
    """End an experiment that was to go on with others, which did not begin."""
    # Where the gateway does not confirm that, it ends in its time.
    with suppress(HomeAssistantError):
        await experiments.stop(mac)


async def _stop_experiment(call: ServiceCall) -> ServiceResponse:
    targets = await _to_change(call)
    # At once, so that the gateway is told once.
    stopped = await asyncio.gather(
        *(coordinator.study.experiments.stop(mac) for coordinator, mac, _ in targets), return_exceptions=True
    )
    answers = {}
    for (coordinator, mac, record), changed in zip(targets, stopped, strict=True):
        if isinstance(changed, BaseException):
            raise changed
        latest = record.experiments[-1].result(record.checks()) if record.experiments else {}
        answers[coordinator, mac] = {"changed": changed, **latest}
    return _answer(answers)


async def _get_experiment(call: ServiceCall) -> ServiceResponse:
    wanted = call.data.get("experiment")

    def find(record: Record) -> Experiment | None:
        return next((e for e in reversed(record.experiments) if wanted in (None, e.id)), None)

    found = {}
    for coordinator, mac, record in await _to_read(call):
        experiment = find(record)
        found[coordinator, mac] = {"experiment": experiment and experiment.result(record.checks())}
    if wanted is not None and not any(each["experiment"] for each in found.values()):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="unknown_experiment",
            translation_placeholders={"experiment": wanted},
        )
    return _answer(found)


async def _get_time_sync(call: ServiceCall) -> ServiceResponse:
    return _answer(
        {
            (coordinator, mac): {"time_sync": record.time_sync.summary()}
            for coordinator, mac, record in await _to_read(call)
        }
    )


async def _begin_period(call: ServiceCall) -> ServiceResponse:
    label: str | None = call.data.get("label")
    if label is not None and not (label := label.strip()):
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="blank_label")
    begun = {}
    for coordinator, mac, record in await _to_change(call):
        changed = await coordinator.study.begin_period(mac, label)
        begun[coordinator, mac] = {"changed": changed, **record.periods.present.summary()}
    return _answer(begun)


async def _compare_profiles(call: ServiceCall) -> ServiceResponse:
    found = {}
    for coordinator, mac, record in await _to_read(call):
        before, after = call.data.get("before"), call.data.get("after")
        pair = record.periods.pair(before, after)
        if pair is None and (before or after):
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="no_period",
                translation_placeholders={"periods": ", ".join(record.periods.titles())},
            )
        found[coordinator, mac] = {
            "periods": [profile.summary() for profile in record.periods],
            "comparison": None if pair is None else compare(*pair),
        }
    return _answer(found)


async def _export_mud(call: ServiceCall) -> ServiceResponse:
    return _answer(
        {(coordinator, mac): mud.exported(coordinator, mac) for coordinator, mac, _ in await _to_read(call)}
    )


async def _import_mud(call: ServiceCall) -> ServiceResponse:
    try:
        allowed = read(call.data["content"])
    except MudError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="invalid_mud",
            translation_placeholders={"reason": str(err)},
        ) from err
    found = {}
    for coordinator, mac, record in await _to_change(call):
        imported = allowed
        if call.data["enforce"]:
            imported = await mud.enforce(coordinator, mac, allowed, call.context.user_id)
        elif record.mud is not None and record.mud.enforced:
            await mud.lift(coordinator, mac, record.mud)
        for rule in mud.known_rules(allowed):
            coordinator.devices[mac].destinations.allow(rule)
        coordinator.roster.keep(news=True)
        record.mud = imported
        await coordinator.study.save()
        found[coordinator, mac] = imported.as_dict()
    return _answer(found)


async def _remove_mud(call: ServiceCall) -> ServiceResponse:
    answers = {}
    for coordinator, mac, record in await _to_change(call):
        answers[coordinator, mac] = {"changed": record.mud is not None}
        if record.mud is not None and record.mud.enforced:
            await mud.lift(coordinator, mac, record.mud)
        record.mud = None
        await coordinator.study.save()
    return _answer(answers)


async def _start_capture(call: ServiceCall) -> ServiceResponse:
    await check_administrator(call)
    seconds = max(1, round(call.data["duration"].total_seconds()))
    size = round(call.data["max_size"] * MEGABYTE)
    targets = await _to_change(call)
    for coordinator, mac, _ in targets:
        coordinator.study.captures.check(mac)
    begun = {}
    with ExitStack() as undo:
        for coordinator, mac, _ in targets:
            captures = coordinator.study.captures
            file = await captures.start(mac, seconds, size, headers_only=call.data["headers_only"])
            undo.callback(captures.withdraw, mac)
            begun[coordinator, mac] = {"file": file}
        undo.pop_all()
    return _answer(begun)


async def _stop_capture(call: ServiceCall) -> ServiceResponse:
    await check_administrator(call)
    answers = {}
    for coordinator, mac, _ in await _to_change(call):
        file = await coordinator.study.captures.stop(mac)
        answers[coordinator, mac] = {"changed": file is not None, "file": file}
    return _answer(answers)
