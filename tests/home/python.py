"""Which Python runs the simulated home's programs: the development environment's, whoever starts them."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_environment = ROOT / ".venv/bin/python"
PYTHON = _environment if _environment.exists() else Path(sys.executable)
AGENT_PYTHON = ROOT / ".venv-agent/bin/python"
