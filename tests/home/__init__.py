"""The simulated home: a LAN, a gateway and a made-up Internet, as network namespaces or as a capture file."""
