"""What can be found out about one device: time sync, experiments, profiles, MUD files, captures, the report.

Each finding is a pure core (what is counted, compared or written) with a thin shell towards Home Assistant.
"""
