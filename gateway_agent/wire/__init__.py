"""The wire contract: what goes over MQTT and how it is checked."""
