"""One device's packets on demand: taken from the LAN's interface, streamed as a pcap file."""
