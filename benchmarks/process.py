"""What a running process costs: CPU-seconds and resident memory, from procfs (proc(5))."""

from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all present threads, from the scheduler's nanosecond account."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_megabytes(pid: int) -> float:
    """Return VmRSS in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)
