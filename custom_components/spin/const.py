"""Constants of the SPIN integration."""

import re
from datetime import timedelta
from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "spin"
PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]
DOCUMENTATION: Final = "https://github.com/spin-home/spin-home-assistant/blob/main/docs"

# Wire contract
PROTOCOL: Final = 1
GATEWAY_ID: Final = re.compile(r"[a-z0-9_-]{1,32}")
DEFAULT_PREFIX: Final = "spin"
MAX_MESSAGE_BYTES: Final = 128 * 1024
# NTP requests that one row of a message tells.
MAX_REQUESTS: Final = 64
# The gateway answers with the policy and its problems, within the limit of a message.
MAX_POLICY_BYTES: Final = 120 * 1024
MAX_PROBLEMS: Final = 20
QOS: Final = 1
CAPABILITY_BLOCK: Final = "block"
CAPABILITY_CAPTURE: Final = "capture"

# Config entry
CONF_GATEWAY: Final = "gateway"
CONF_PREFIX: Final = "prefix"

# Options, in sections
SECTION_DEVICES: Final = "devices"
CONF_MAX_DEVICES: Final = "max_devices"
CONF_RANDOM_MACS: Final = "random_macs"
CONF_REMOVE_AFTER_DAYS: Final = "remove_after_days"
SECTION_LEARNING: Final = "learning"
CONF_LEARNING_DAYS: Final = "learning_days"
CONF_NEW_DEVICES: Final = "new_devices"
CONF_RELEARN_HOURS: Final = "relearn_hours"
SECTION_REACTION: Final = "reaction"
CONF_REACTION: Final = "reaction"
CONF_BLOCK_HOURS: Final = "block_hours"
SECTION_VOICE: Final = "voice"
CONF_EXPOSE: Final = "expose"

RANDOM_IGNORE: Final = "ignore"
RANDOM_DISABLED: Final = "disabled"
RANDOM_ENABLED: Final = "enabled"

# What becomes of a device that is new: it learns, or is judged at once, or is blocked until accepted.
NEW_DEVICES_LEARN: Final = "learn"
NEW_DEVICES_NOTIFY: Final = "notify"
NEW_DEVICES_BLOCK: Final = "block"
NEW_DEVICES: Final = [NEW_DEVICES_LEARN, NEW_DEVICES_NOTIFY, NEW_DEVICES_BLOCK]

# Of a device: what the option says for all that have no choice of their own.
REACTION_DEFAULT: Final = "default"
REACTION_OBSERVE: Final = "observe"
REACTION_NOTIFY: Final = "notify"
REACTION_BLOCK_DESTINATION: Final = "block_destination"
REACTION_BLOCK_DEVICE: Final = "block_device"
REACTION_BLOCK_BOTH: Final = "block_both"
REACTIONS: Final = [
    REACTION_OBSERVE,
    REACTION_NOTIFY,
    REACTION_BLOCK_DESTINATION,
    REACTION_BLOCK_DEVICE,
    REACTION_BLOCK_BOTH,
]

DEFAULT_MAX_DEVICES: Final = 100
DEFAULT_RANDOM_MACS: Final = RANDOM_DISABLED
DEFAULT_REMOVE_AFTER_DAYS: Final = 90
DEFAULT_LEARNING_DAYS: Final = 7
DEFAULT_NEW_DEVICES: Final = NEW_DEVICES_LEARN
DEFAULT_RELEARN_HOURS: Final = 24
DEFAULT_REACTION: Final = REACTION_NOTIFY
# Automatic blocks stay until somebody takes them back.
DEFAULT_BLOCK_HOURS: Final = 0

# Setting up, asking and answering
INFO_TIMEOUT: Final = 10.0
HEAR_TIMEOUT: Final = 2.0
POLICY_TIMEOUT: Final = 5.0
# Switches turned in one automation step come within this time and become one policy.
POLICY_GATHER: Final = 0.02
SNAPSHOT_COOLDOWN: Final = 2.0
SUBSCRIBE_TIMEOUT: Final = 3.0
# The gateway has answered a request for all rows by then; who is not among them, it does not know.
CATCH_UP: Final = 15.0
# A gateway's clock that is off by more is not corrected by the delay of its messages.
MAX_CLOCK_ERROR: Final = 30.0

# A device is shown once it has a name or has exchanged this many packets with the Internet.
MIN_PACKETS: Final = 5

# So many devices get their entities at once, further ones one after the other.
DEVICES_AT_ONCE: Final = 4
DEVICES_PACE: Final = timedelta(seconds=1)

# Learning: over after this much active time without a destination that was not known.
QUIET: Final = timedelta(hours=72)
# A longer silence of the device is absence, which is no evidence of being settled.
MAX_ACTIVE_GAP: Final = timedelta(hours=1)

# Bounds of what is remembered
MAX_DESTINATIONS_PER_DEVICE: Final = 2_000
MAX_DESTINATIONS: Final = 50_000
MAX_ROWS_PER_DEVICE: Final = 4_096
MAX_HOSTS_PER_DESTINATION: Final = 32
MAX_ADDRESSES_PER_HOST: Final = 32
MAX_JOURNAL_ENTRIES: Final = 250
# What happens again within this time is counted with the entry that tells it already.
JOURNAL_REPEAT: Final = timedelta(hours=6)
MAX_EPOCHS_PER_DEVICE: Final = 8
MAX_LOOKUPS_PER_DEVICE: Final = 256
MAX_DEVICES_SEEN: Final = 2_048
MAX_PENDING_EVENTS: Final = 16
# New destinations of one device that are announced within the window; more are counted only.
MAX_NEWS: Final = 60
NEWS_WINDOW: Final = timedelta(hours=1)

# Saving: counters can be caught up from the gateway, so they may wait; what is new may not.
SAVE_DELAY: Final = 300.0
SAVE_NEWS_DELAY: Final = 2.0

TICK: Final = timedelta(minutes=1)
# Absence is judged only after the gateway had this long to report the device.
ABSENCE_GRACE: Final = timedelta(days=1)

MAX_WARNINGS: Final = 20
WARNINGS_WINDOW: Final = 60.0

# What the logbook shows of an event.
BUS_EVENT_FINDING: Final = "spin_finding"
ATTR_MESSAGE: Final = "message"

# Fixed: automations are written against these.
EVENT_NEW_DESTINATION: Final = "new_destination"
EVENT_BEHAVIOUR_CHANGED: Final = "behaviour_changed"
EVENT_BLOCKED_ATTEMPT: Final = "blocked_attempt"
EVENT_CONNECTION_FAILED: Final = "connection_failed"
EVENT_CONNECTION_RESTORED: Final = "connection_restored"
EVENT_DEVICE_SEEN: Final = "device_seen"
EVENT_DNS_BYPASS: Final = "dns_bypass"
EVENT_EXPERIMENT_FINISHED: Final = "experiment_finished"
EVENT_FLOOD: Final = "flood_suspected"
EVENT_SCAN: Final = "scan_suspected"
EVENT_SUPPRESSED: Final = "events_suppressed"
ACTIVITY_EVENTS: Final = [
    EVENT_NEW_DESTINATION,
    EVENT_BLOCKED_ATTEMPT,
    EVENT_CONNECTION_FAILED,
    EVENT_SCAN,
    EVENT_FLOOD,
    EVENT_BEHAVIOUR_CHANGED,
    EVENT_CONNECTION_RESTORED,
    EVENT_DEVICE_SEEN,
    EVENT_DNS_BYPASS,
    EVENT_SUPPRESSED,
    EVENT_EXPERIMENT_FINISHED,
]
