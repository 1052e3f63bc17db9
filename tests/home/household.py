"""The other devices of the simulated home."""

from tests.home.behaviour import Activity, Behaviour, Contact
from tests.home.home import Resident
from tests.home.hue import hue_bridge


def camera() -> Behaviour:
    """Return a camera that uploads its clips over IPv6 where there is any."""
    return Behaviour(
        model="camera",
        mac="28:57:be:10:20:02",
        hostname="doorbell-cam",
        vendor_class="udhcp 1.24.1",
        families=(6, 4),
        activities=(
            Activity(
                "signalling",
                (Contact("api.camera-cloud.example", 443, "tls", upload=120, download=90),),
                every=(20.0,),
                first=2.0,
                hold=True,
            ),
            Activity(
                "clip",
                (Contact("upload.camera-cloud.example", 443, "tls", upload=400_000, download=200),),
                every=(45.0, 120.0, 80.0),
                first=10.0,
            ),
            Activity("time", (Contact("pool.ntp.example", 123, "ntp"),), every=(1024.0,), first=4.0),
        ),
    )


def plug() -> Behaviour:
    """Return a plug that keeps an MQTT connection to its maker."""
    return Behaviour(
        model="plug",
        mac="50:c7:bf:10:20:03",
        hostname="HS110",
        vendor_class=None,
        families=(4,),
        activities=(
            Activity(
                "cloud",
                (Contact("mqtt.plug-cloud.example", 8883, "tls", upload=60, download=4),),
                every=(30.0,),
                first=3.0,
                hold=True,
            ),
            Activity("time", (Contact("pool.ntp.example", 123, "ntp"),), every=(300.0,), first=5.0),
        ),
    )


def phone() -> Behaviour:
    """Return a phone with a random (locally administered) MAC address that looks at this and that."""
    places = (
        Contact("news.example", 443, "tls", upload=800, download=60_000),
        Contact("images.shop.example", 443, "tls", upload=600, download=30_000),
        Contact("tracker.shop.example", 443, "tls", upload=500, download=40),
        Contact("social.example", 443, "tls", upload=1500, download=20_000),
    )
    return Behaviour(
        model="phone",
        mac="da:a1:19:10:20:04",
        hostname="Pixel-7",
        vendor_class="android-dhcp-13",
        families=(6, 4),
        activities=(
            Activity("browsing", places, every=(35.0, 90.0, 20.0), first=8.0, gap=3.0),
            Activity(
                "messages",
                (Contact("messages.example", 443, "tls", upload=200, download=200),),
                every=(25.0,),
                first=4.0,
                hold=True,
            ),
            Activity(
                "video",
                (Contact("video.example", 443, "udp", upload=1200),),
                every=(15.0,),
                first=20.0,
            ),
        ),
    )


def scanner() -> Behaviour:
    """Return a device that was taken over: it knocks at 80 hosts, then at 60 ports of one, and stops."""
    hosts = tuple(Contact(f"203.0.113.{last}", 23, "tcp", timeout=1) for last in range(128, 192))
    more = tuple(Contact(f"2001:db8:dead::{last:x}", 23, "tcp", timeout=1) for last in range(1, 17))
    ports = tuple(Contact("192.0.2.9", port, "tcp", timeout=1) for port in range(2000, 2060))
    return Behaviour(
        model="scanner",
        mac="24:0a:c4:10:20:05",
        hostname="ESP_102005",
        vendor_class=None,
        families=(4, 6),
        activities=(
            Activity("hosts", hosts + more, every=(60.0,), first=5.0, rounds=1, gap=0.05, together=True),
            Activity("ports", ports, every=(60.0,), first=120.0, rounds=1, gap=0.05, together=True),
        ),
    )


MODELS = {
    "hue": hue_bridge,
    "hue-march2019": lambda: hue_bridge("march2019"),
    "camera": camera,
    "plug": plug,
    "phone": phone,
    "scanner": scanner,
}


def resident(label: str, ipv4: str, behaviour: Behaviour) -> Resident:
    """Return the place in the home of a device that behaves so."""
    return Resident(label, behaviour.mac, ipv4)


HUE = resident("hue", "192.168.8.20", hue_bridge())
CAMERA = resident("camera", "192.168.8.21", camera())
PLUG = resident("plug", "192.168.8.22", plug())
PHONE = resident("phone", "192.168.8.23", phone())
SCANNER = resident("scanner", "192.168.8.24", scanner())
