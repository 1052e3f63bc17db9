"""What the end-to-end tests share: the simulated home, a broker, the agent and a Home Assistant."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.home import namespaces


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs namespaces where there are none, and say why."""
    reason = namespaces.missing()
    if reason is None:
        return
    for item in items:
        if "root" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=f"builds network namespaces: {reason}"))
