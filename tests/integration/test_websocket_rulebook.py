"""The arranged rules say the same as the plain ones."""

from hypothesis import given
from hypothesis import strategies as st

from custom_components.spin.models import DevicePolicy, Policy, PolicyState, Rule
from custom_components.spin.rules import BLOCK, decision
from custom_components.spin.websocket.rulebook import Shelf

MAC = "00:17:88:00:00:01"
LABELS = st.sampled_from(["a", "b", "www"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ADDRESSES = st.sampled_from(["198.51.100.7", "198.51.100.8", "203.0.113.1", "2001:db8::1", "2001:db8::2"])
NETWORKS = st.sampled_from(
    ["198.51.100.7/32", "198.51.100.0/24", "0.0.0.0/0", "203.0.113.1/32", "2001:db8::1/128", "2001:db8::/64"]
)
ACTIONS = st.sampled_from(["allow", "block"])
RULES = st.lists(
    st.one_of(
        st.builds(Rule, ACTIONS, name=NAMES),
        st.builds(Rule, ACTIONS, address=NETWORKS),
    ),
    max_size=8,
).map(tuple)


def state(policy: Policy, *, enforced: bool = True) -> PolicyState:
    return PolicyState(policy, enforced, ())


@given(own=RULES, everyone=RULES, name=st.none() | NAMES, addresses=st.lists(ADDRESSES, max_size=3))
def test_the_same_decisions(
    own: tuple[Rule, ...], everyone: tuple[Rule, ...], name: str | None, addresses: list[str]
) -> None:
    policy = Policy(1, {MAC: DevicePolicy(destinations=own)}, everyone)
    book = Shelf(state(policy)).book(MAC)
    found = book.destination(name, addresses)
    assert (found and found.action) == decision(policy, MAC, name, addresses)
    assert book.has_no_rules == (not own and not everyone)
    if found is not None:
        assert found.rule in (everyone if found.everyone else own)


def test_books_stay_while_the_rules_do() -> None:
    rule = Rule(BLOCK, name="meethue.com")
    first = Shelf(state(Policy(1, {MAC: DevicePolicy(destinations=(rule,))}, (rule,))))
    book = first.book(MAC)
    same = Shelf(state(Policy(2, {MAC: DevicePolicy(destinations=(rule,))}, (rule,))), first)
    assert same.is_current(MAC, book)
    other = Shelf(state(Policy(3, {}, (rule,))), same)
    assert not other.is_current(MAC, book)
    for_everyone = Shelf(state(Policy(4, {MAC: DevicePolicy(destinations=(rule,))})), same)
    assert not for_everyone.is_current(MAC, book)


def test_what_is_not_enforced_says_nothing() -> None:
    policy = Policy(1, {MAC: DevicePolicy(blocked=True)}, (Rule(BLOCK, name="meethue.com"),))
    for shelf in (Shelf(None), Shelf(state(policy, enforced=False))):
        assert not shelf.book(MAC).blocked
        assert shelf.book(MAC).has_no_rules
