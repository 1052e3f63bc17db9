"""The simulated home: a LAN, a gateway and an Internet of made-up names, as network namespaces or as a capture file."""
