"""The Hue bridge of SIDN Labs' case study "Looking at internet traffic using SPIN" (2020).

Its NTP intervals have the article's figures: 133 s on average, 28 % below 64 s.
"""

from typing import Literal

from tests.home.behaviour import Activity, Behaviour, Contact

Firmware = Literal["march2019", "december2019"]

TIME_SERVERS = tuple(f"time{number}.google.com" for number in range(1, 5))
WEBSOCKET = "ws.meethue.com"
DIAGNOSTICS = "diagnostics.meethue.com"
# Tried in turn once the cloud has been gone for minutes; the later ones only when the earlier fail.
CONNECTIVITY_CHECKS: dict[Firmware, tuple[str, ...]] = {
    "march2019": (
        "www2.meethue.com",
        "www.philips.com",
        "google.com",
        "facebook.com",
        "baidu.com",
        "qq.com",
    ),
    "december2019": ("www2.meethue.com", "www.philips.com", "google.com", "baidu.com"),
}

# 25 pauses: 7 are shorter than the 64 s that NTP asks for, and their sum is 25 * 133 s.
NTP_PAUSES = (
    166.0, 49.0, 171.0, 160.0, 168.0, 38.0, 164.0, 173.0, 52.0, 162.0, 167.0, 158.0, 44.0,
    170.0, 163.0, 165.0, 57.0, 161.0, 169.0, 41.0, 172.0, 164.0, 166.0, 53.0, 172.0,
)  # fmt: skip

_SYNCHRONISE = tuple(Contact(server, 123, "ntp", timeout=2) for server in TIME_SERVERS)
_REPORT = (Contact(DIAGNOSTICS, 443, "tls", upload=900, download=250),)


def hue_bridge(firmware: Firmware = "december2019") -> Behaviour:
    """Return the bridge with that firmware."""
    checks = tuple(Contact(name, 80, "tcp", timeout=4) for name in CONNECTIVITY_CHECKS[firmware])
    cloud = Contact(WEBSOCKET, 443, "tls", upload=180, download=140)
    return Behaviour(
        model=f"hue-{firmware}",
        mac="00:17:88:24:76:01",
        hostname="Philips-hue",
        vendor_class="udhcp 1.19.4",
        families=(4,),
        activities=(
            Activity("websocket", (cloud,), every=(15.0,), first=3.0, hold=True, retry=10.0),
            Activity("time", _SYNCHRONISE, every=NTP_PAUSES, first=6.0),
            Activity("diagnostics", _REPORT, every=(600.0,), first=12.0),
            Activity(
                "firmware",
                (Contact("fwupdate.philips.com", 443, "tls", upload=400, download=1500),),
                every=(3600.0,),
                first=25.0,
            ),
            # What it does when its cloud is gone: look at the clock, report, and at last look around.
            Activity(
                "time after loss",
                _SYNCHRONISE,
                every=(60.0,),
                when_failing="websocket",
                failing_for=20.0,
            ),
            Activity(
                "diagnostics after loss",
                _REPORT,
                every=(60.0,),
                when_failing="websocket",
                failing_for=45.0,
            ),
            Activity(
                "connectivity check",
                checks,
                every=(120.0,),
                when_failing="websocket",
                failing_for=180.0,
                until_one_answers=True,
            ),
        ),
    )
