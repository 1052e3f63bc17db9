"""Changes of a gateway's policy, as the gateway and others see them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from gateway_double import CAMERA, HUE
from homeassistant.exceptions import HomeAssistantError

from custom_components.spin.models import DevicePolicy, Policy, PolicyState, Problem, Rule
from custom_components.spin.policy import PolicyError, PolicyKeeper
from custom_components.spin.rules import block_device, set_rule, unblock_device
from custom_components.spin.wire import parse_policy, policy_as_dict

BLOCKED = DevicePolicy(blocked=True)


class Agent:
    """Answers policies as a gateway would; `answer` may be replaced."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.keeper = PolicyKeeper(self.publish)
        self.published: list[Policy] = []
        self.answer: Callable[[Policy], None] = self.enforce
        if policy is not None:
            self.say(policy)

    async def publish(self, payload: str) -> None:
        """Take what is written to the topic `policy`."""
        policy = parse_policy(payload.encode())
        self.published.append(policy)
        self.keeper.wanted_heard(policy)
        asyncio.get_running_loop().call_soon(self.answer, policy)

    def say(self, policy: Policy, *problems: Problem, enforced: bool = True) -> None:
        """Say what is enforced."""
        self.keeper.state_heard(PolicyState(policy, enforced, problems))

    def enforce(self, policy: Policy) -> None:
        """Enforce whatever is wanted."""
        self.say(policy)

    def be_silent(self, _policy: Policy) -> None:
        """Do not answer."""

    @property
    def devices(self) -> dict[str, DevicePolicy]:
        """What is enforced."""
        assert self.keeper.state is not None
        return dict(self.keeper.state.policy.devices)


@pytest.fixture(autouse=True)
def impatient() -> object:
    with patch("custom_components.spin.policy.POLICY_TIMEOUT", 0.1):
        yield


@pytest.fixture
def agent() -> Agent:
    return Agent(Policy(4, {}))


async def test_a_change_is_published_and_confirmed(agent: Agent) -> None:
    await agent.keeper.change(block_device(HUE))
    assert [policy.revision for policy in agent.published] == [5]
    assert agent.devices == {HUE: BLOCKED}


async def test_what_holds_already_is_not_published(agent: Agent) -> None:
    await agent.keeper.change(unblock_device(HUE))
    assert agent.published == []


async def test_a_burst_is_one_policy_and_all_of_it_arrives(agent: Agent) -> None:
    macs = [f"00:17:88:00:00:{n:02x}" for n in range(50)]
    await asyncio.gather(*(agent.keeper.change(block_device(mac)) for mac in macs))
    assert len(agent.published) == 1
    assert agent.devices == dict.fromkeys(macs, BLOCKED)


async def test_changes_while_one_is_under_way_follow_it(agent: Agent) -> None:
    first = asyncio.create_task(agent.keeper.change(block_device(HUE)))
    while not agent.published:
        await asyncio.sleep(0)
    await asyncio.gather(
        first, agent.keeper.change(block_device(CAMERA)), agent.keeper.change(unblock_device(HUE))
    )
    assert agent.devices == {CAMERA: BLOCKED}


async def test_without_answer_the_former_policy_is_restored(agent: Agent) -> None:
    agent.say(Policy(4, {CAMERA: BLOCKED}))
    agent.answer = agent.be_silent
    with pytest.raises(PolicyError) as caught:
        await agent.keeper.change(block_device(HUE))
    assert caught.value.translation_key == "not_confirmed"
    assert [(p.revision, set(p.devices)) for p in agent.published] == [(5, {CAMERA, HUE}), (6, {CAMERA})]


async def test_a_late_answer_is_followed_by_the_former_policy(agent: Agent) -> None:
    agent.answer = agent.be_silent
    with pytest.raises(PolicyError):
        await agent.keeper.change(block_device(HUE))
    agent.say(agent.published[0])
    agent.say(agent.published[1])
    assert agent.devices == {}


async def test_what_is_not_enforced_is_an_error(agent: Agent) -> None:
    agent.answer = lambda policy: agent.say(policy, Problem("not_enforced", "no memory"), enforced=False)
    with pytest.raises(PolicyError) as caught:
        await agent.keeper.change(block_device(HUE))
    assert caught.value.translation_key == "not_enforced"
    assert caught.value.translation_placeholders == {"reason": "no memory"}


async def test_enforced_a_moment_later_is_no_error(agent: Agent) -> None:
    def hesitate(policy: Policy) -> None:
        agent.say(policy, enforced=False)
        asyncio.get_running_loop().call_later(0.02, agent.say, policy)

    agent.answer = hesitate
    await agent.keeper.change(block_device(HUE))
    assert agent.devices == {HUE: BLOCKED}


def refusing(agent: Agent, name: str) -> Callable[[Policy], None]:
    def answer(policy: Policy) -> None:
        if any(rule.name == name for rule in policy.everyone):
            assert agent.keeper.state is not None
            agent.say(agent.keeper.state.policy, Problem("policy_refused", "no such name", policy.revision))
        else:
            agent.say(policy)

    return answer


async def test_a_refused_policy_is_taken_back(agent: Agent) -> None:
    agent.answer = refusing(agent, "bad")
    with pytest.raises(PolicyError) as caught:
        await agent.keeper.change(set_rule(None, Rule("block", name="bad")))
    assert caught.value.translation_placeholders == {"reason": "no such name"}
    await asyncio.sleep(0)
    assert agent.published[-1] == Policy(6, {})
    await agent.keeper.change(block_device(HUE))
    assert agent.devices == {HUE: BLOCKED}


async def test_one_refused_change_does_not_take_the_others_along(agent: Agent) -> None:
    agent.answer = refusing(agent, "bad")
    results = await asyncio.gather(
        agent.keeper.change(block_device(HUE)),
        agent.keeper.change(set_rule(None, Rule("block", name="bad"))),
        agent.keeper.change(block_device(CAMERA)),
        return_exceptions=True,
    )
    assert [(result is not None) for result in results] == [False, True, False]
    assert agent.devices == {HUE: BLOCKED, CAMERA: BLOCKED}


async def test_the_newest_policy_is_changed_whoever_wrote_it(agent: Agent) -> None:
    theirs = Policy(9, {CAMERA: BLOCKED}, (Rule("block", name="a.org"),))
    agent.keeper.wanted_heard(theirs)
    await agent.keeper.change(block_device(HUE))
    assert agent.published == [Policy(10, {CAMERA: BLOCKED, HUE: BLOCKED}, theirs.everyone)]


async def test_an_older_policy_is_not_brought_back(agent: Agent) -> None:
    agent.keeper.wanted_heard(Policy(4, {CAMERA: BLOCKED}))
    agent.keeper.wanted_heard(Policy(2, {CAMERA: BLOCKED}))
    await agent.keeper.change(block_device(HUE))
    assert agent.devices == {HUE: BLOCKED}


async def test_a_refused_policy_of_others_is_no_base(agent: Agent) -> None:
    agent.keeper.wanted_heard(Policy(9, {CAMERA: BLOCKED}))
    agent.say(Policy(4, {}), Problem("policy_refused", "", 9))
    await agent.keeper.change(block_device(HUE))
    assert agent.published == [Policy(10, {HUE: BLOCKED})]


async def test_who_writes_at_the_same_time_is_not_overwritten(agent: Agent) -> None:
    def theirs_first(policy: Policy) -> None:
        agent.answer = agent.enforce
        agent.say(Policy(policy.revision, {CAMERA: BLOCKED}))

    agent.answer = theirs_first
    await agent.keeper.change(block_device(HUE))
    assert agent.devices == {CAMERA: BLOCKED, HUE: BLOCKED}


async def test_a_gateway_that_enforces_something_else_again_and_again(agent: Agent) -> None:
    agent.answer = lambda policy: agent.say(replace(policy, devices={}))
    with pytest.raises(PolicyError) as caught:
        await agent.keeper.change(block_device(HUE))
    assert caught.value.translation_key == "policy_contested"


async def test_a_newer_policy_of_others_is_not_taken_back(agent: Agent) -> None:
    def overtake(policy: Policy) -> None:
        agent.keeper.wanted_heard(Policy(policy.revision + 1, {CAMERA: BLOCKED}))

    agent.answer = overtake
    with pytest.raises(PolicyError):
        await agent.keeper.change(block_device(HUE))
    assert len(agent.published) == 1


async def test_before_the_gateway_has_said_anything() -> None:
    agent = Agent()
    with pytest.raises(PolicyError) as caught:
        await agent.keeper.change(block_device(HUE))
    assert caught.value.translation_key == "policy_unknown"
    assert agent.published == []


async def test_a_gateway_installed_anew_begins_without_old_rules(agent: Agent) -> None:
    await agent.keeper.change(block_device(HUE))
    agent.say(Policy(0, {}))
    await agent.keeper.change(block_device(CAMERA))
    assert agent.devices == {CAMERA: BLOCKED}


async def test_too_many_rules(agent: Agent) -> None:
    agent.say(Policy(4, {}, tuple(Rule("block", name=f"{n}.{'a' * 60}.org") for n in range(1500))))
    with pytest.raises(PolicyError) as caught:
        await agent.keeper.change(block_device(HUE))
    assert caught.value.translation_key == "policy_too_large"
    assert agent.published == []


async def test_no_way_to_publish(agent: Agent) -> None:
    async def fail(_payload: str) -> None:
        raise HomeAssistantError("no broker")

    agent.keeper._publish = fail
    with pytest.raises(HomeAssistantError, match="no broker"):
        await agent.keeper.change(block_device(HUE))


async def test_closing_gives_up(agent: Agent) -> None:
    agent.answer = agent.be_silent
    change = asyncio.create_task(agent.keeper.change(block_device(HUE)))
    while not agent.published:
        await asyncio.sleep(0)
    agent.keeper.close()
    with pytest.raises(PolicyError) as caught:
        await change
    assert caught.value.translation_key == "interrupted"
    agent.keeper.close()


async def test_nobody_waits_any_more(agent: Agent) -> None:
    change = asyncio.create_task(agent.keeper.change(block_device(HUE)))
    await asyncio.sleep(0)
    change.cancel()
    await agent.keeper.change(block_device(CAMERA))
    assert agent.devices == {HUE: BLOCKED, CAMERA: BLOCKED}


async def test_reset_forgets(agent: Agent) -> None:
    agent.keeper.reset()
    assert agent.keeper.state is None


def test_the_published_form() -> None:
    """What is published is what the agent reads: all keys, null for no end."""
    policy = Policy(2, {HUE: DevicePolicy(destinations=(Rule("allow", address="192.0.2.0/24", until=5.0),))})
    assert json.loads(json.dumps(policy_as_dict(policy))) == {
        "revision": 2,
        "devices": {
            HUE: {
                "blocked": False,
                "until": None,
                "destinations": [{"action": "allow", "address": "192.0.2.0/24", "until": 5.0}],
            }
        },
        "everyone": [],
    }
