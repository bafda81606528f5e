//! A deterministic world of hosts, clocks, network and servers, in which the shipped `redlock` client runs.
