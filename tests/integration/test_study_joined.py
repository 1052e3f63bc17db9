"""What is studied of devices that are said to be one, and of one that is split off again."""

import json
import time
from typing import Any

import pytest
from gateway_double import CAMERA, HUE, Broker, Gateway, row
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from reading import device_id

from custom_components.spin.const import DOMAIN
from custom_components.spin.study.contacts import Contact
from custom_components.spin.study.experiment import Experiment
from custom_components.spin.study.mud_export import export
from custom_components.spin.study.mud_file import Allowed, read
from custom_components.spin.study.record import MAX_EXPERIMENTS
from custom_components.spin.study.study import Study

MUD = json.dumps(export("x", [Contact("cloud.example", True, "tcp", 443)], 0))


@pytest.fixture
async def study(hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry) -> Study:
    """Return the studies of two devices."""
    gateway.device()
    gateway.device(CAMERA, hostname="camera")
    gateway.flows(row())
    gateway.flows(row(), mac=CAMERA)
    await hass.async_block_till_done()
    found: Study = spin.runtime_data.study
    return found


async def call(hass: HomeAssistant, action: str, *macs: str, **data: Any) -> None:
    device_ids = [device_id(hass, mac) for mac in macs]
    await hass.services.async_call(DOMAIN, action, {"device_id": device_ids, **data}, blocking=True)


async def join(hass: HomeAssistant) -> None:
    await call(hass, "join_devices", CAMERA, HUE, into=device_id(hass, HUE))


async def refused(hass: HomeAssistant) -> str | None:
    with pytest.raises(ServiceValidationError) as caught:
        await join(hass)
    return caught.value.translation_key


@pytest.mark.parametrize("mac", [HUE, CAMERA])
async def test_not_while_an_experiment_runs(
    hass: HomeAssistant, broker: Broker, gateway: Gateway, spin: MockConfigEntry, study: Study, mac: str
) -> None:
    await call(hass, "start_experiment", mac, kind="cloud_lost")
    assert await refused(hass) == "join_experiment"
    assert list(gateway.policy["devices"]) == [mac]
    await call(hass, "stop_experiment", mac)
    assert gateway.policy["devices"] == {}
    await join(hass)
    assert list(spin.runtime_data.devices) == [HUE]
    assert [each.outcome for each in study.record(HUE).experiments] == ["stopped"]
    assert CAMERA not in study._records


@pytest.mark.parametrize("mac", [HUE, CAMERA])
async def test_not_while_a_capture_runs(hass: HomeAssistant, study: Study, mac: str) -> None:
    study.captures._runs[mac] = object()  # type: ignore[assignment]
    assert await refused(hass) == "join_capture"
    study.captures._runs.clear()


async def test_not_while_the_profile_of_one_that_goes_is_enforced(
    hass: HomeAssistant, gateway: Gateway, study: Study
) -> None:
    await call(hass, "import_mud", CAMERA, content=MUD, enforce=True)
    assert await refused(hass) == "join_mud"
    assert list(gateway.policy["devices"]) == [CAMERA]
    await call(hass, "import_mud", CAMERA, content=MUD)
    await join(hass)
    assert study.record(HUE).mud == read(MUD)


async def test_the_profile_of_the_one_that_stays_holds_for_all(
    hass: HomeAssistant, gateway: Gateway, study: Study
) -> None:
    await call(hass, "import_mud", HUE, content=MUD, enforce=True)
    await join(hass)
    assert set(gateway.policy["devices"]) == {HUE, CAMERA}
    await call(hass, "import_mud", HUE, content=MUD, enforce=True)
    assert gateway.policy["devices"][HUE]["destinations"] == gateway.policy["devices"][CAMERA]["destinations"]
    await call(hass, "remove_mud", HUE)
    assert gateway.policy["devices"] == {}


async def test_one_that_is_split_off_has_the_profile_too(
    hass: HomeAssistant, gateway: Gateway, study: Study
) -> None:
    await join(hass)
    await call(hass, "import_mud", HUE, content=MUD, enforce=True)
    assert set(gateway.policy["devices"]) == {HUE, CAMERA}
    await call(hass, "split_device", HUE, mac=CAMERA)
    await hass.async_block_till_done()
    await call(hass, "remove_mud", HUE)
    assert list(gateway.policy["devices"]) == [CAMERA]
    await call(hass, "remove_mud", CAMERA)
    assert gateway.policy["devices"] == {}


async def test_none_is_split_off_while_an_experiment_runs(
    hass: HomeAssistant, gateway: Gateway, spin: MockConfigEntry, study: Study
) -> None:
    await join(hass)
    await call(hass, "start_experiment", HUE, kind="cloud_lost")
    assert set(gateway.policy["devices"]) == {HUE, CAMERA}
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "split_device", HUE, mac=CAMERA)
    assert caught.value.translation_key == "join_experiment"
    assert list(spin.runtime_data.devices) == [HUE]
    await call(hass, "stop_experiment", HUE)
    assert gateway.policy["devices"] == {}


async def test_experiments_of_both_in_their_order(hass: HomeAssistant, study: Study) -> None:
    now = time.time()
    for mac, ages in ((HUE, (70, 50, 30)), (CAMERA, (80, 60, 40, 20))):
        for age in ages:
            experiment = Experiment(f"{age}", "normal", now - age, now - age + 5)
            experiment.end("completed", now - age + 5)
            study.record(mac).begin(experiment)
    study.record(CAMERA).mud = Allowed("camera", (), ())
    study.record(HUE).mud = own = Allowed("hue", (), ())
    await join(hass)
    kept = study.record(HUE)
    assert [each.id for each in kept.experiments] == ["70", "60", "50", "40", "30", "20"]
    assert len(kept.experiments) == MAX_EXPERIMENTS
    assert kept.mud is own
