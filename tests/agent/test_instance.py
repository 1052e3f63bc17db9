"""One agent per gateway."""

import subprocess
import sys

import pytest
from kernel_lab import Lab, needs_lab

from gateway_agent.instance import claim, is_claimed
from gateway_agent.platform import PlatformError

pytestmark = needs_lab

_CLAIM = "import time, gateway_agent.instance as i; c = i.claim(); print('mine', flush=True); time.sleep(60)"


def test_the_claim_keeps_others_out_and_ends_with_the_agent() -> None:
    with Lab(0) as lab, lab.gateway.entered():
        assert not is_claimed()
        with claim():
            assert is_claimed()
            with pytest.raises(PlatformError, match="stop it first"):
                claim()
        assert not is_claimed()


def test_a_killed_agent_holds_no_claim_and_another_gateway_has_its_own() -> None:
    with Lab(0) as lab, lab.gateway.entered():
        other = subprocess.Popen([sys.executable, "-c", _CLAIM], stdout=subprocess.PIPE)
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"mine\n"
            assert is_claimed()
        finally:
            other.kill()
            other.wait()
        assert not is_claimed()
        with claim(), lab.wan.entered():
            assert not is_claimed()
