"""The kernel's interfaces: netlink, the table `inet spin`, NFLOG, links and neighbours."""
