//! The first deployment, restarts, permissions, and what to do at 2 a.m.
//!
//! # Nodes
//!
//! Five independent Redis servers (6.2 or later) on different machines, no replicas, no cluster mode,
//! `maxmemory-policy noeviction`. Three survive the loss of one, five of two. They may hold other data
//! too. Persistence is not needed for exclusion, the quarantine stands in for it; it saves the
//! quarantine nothing, because a restarted node cannot prove that its last second is complete.
//!
//! Nodes with replicas, or behind a proxy that speaks the Redis protocol, need
//! [`strict_identity`](crate::Builder::strict_identity) on all clients.
//!
//! # Before you rely on it
//!
//! [`preflight`](crate::Redlock::preflight) asks every node about itself and prints as a report. It
//! finds, each with what to do about it:
//!
//! | finding | severity |
//! |---|---|
//! | a replica, a member of a Redis Cluster, too old a version, or not to be reached | refused |
//! | connected replicas, without strict identity | refused |
//! | two addresses of one server | refused |
//! | `maxmemory-policy` other than `noeviction` | refused |
//! | stored settings that differ from this client's | refused |
//! | a command that locks need and the user may not run | refused; `client\|kill`: warning |
//! | no guard record, or quarantined, and for how long | warning |
//! | a clock more than `max_ttl`/4 from ours | warning |
//! | a round trip above half the `node_timeout` | warning |
//! | restart guard off, and not `appendfsync always` | warning |
//!
//! It also says what is kept when a node loses its memory: only with `appendfsync always` does the
//! order of [fencing tokens](super::fencing) not rest on the nodes' clocks then.
//!
//! # First deployment
//!
//! Unknown nodes start in quarantine for `max_ttl`: nobody can tell a new node from one that forgot.
//! Either wait that long, or call [`admit_new_cluster`](crate::Redlock::admit_new_cluster) once, by
//! hand, while no client runs. It refuses when any node is known or does not answer.
//!
//! # A node restarts
//!
//! Nothing to do. It is quarantined as soon as a connected client reconnects, and votes again once one
//! client has measured `max_ttl` (and half a percent, for its clock's drift) on the slowest of its own
//! clocks: the node's clock alone is not believed, because it steps just after boot. Any client that
//! runs measures, whether or not it acquires anything: clients look at their nodes every 10 s, or every
//! third of `max_ttl` if that is shorter, and again when the time is up, which ends the quarantine for
//! everybody.
//!
//! Each client measures from when *it* first heard of the quarantine. If no client ran meanwhile, or
//! the one that measured ended, the others go on from where they are: a client that starts a minute
//! after the restart of a node which nobody else watched waits `max_ttl` from then. The time that a
//! client's machine sleeps is not counted.
//!
//! Restarting a majority within `max_ttl` stops all acquisitions for up to that long; roll restarts
//! slower than that.
//!
//! # Changing settings
//!
//! Stop all clients; start one with the new settings; call
//! [`replace_settings`](crate::Redlock::replace_settings); every node is quarantined for the larger of
//! the two `max_ttl`; start the rest. To replace a node by another machine, keep N and the settings,
//! change its URL on all clients, and see that no client still uses the old machine: for as long as one
//! does, the two can form quorums without a common node.
//!
//! # Permissions
//!
//! With ACLs the client's user needs `+client|id +client|kill +info +script|load +evalsha +eval +get
//! +set +del +pttl +pexpire +type +exists +hget +hmget +hset +hdel +time` and the keys `~<prefix>:*`;
//! `+select`, too, if its URL names a database. The preflight tries each of them and names what is
//! missing. Without `client|kill` a broken connection may leave a key behind for its TTL; the client
//! says so once in its log. With `+config|get` the preflight can say whether the node forces every
//! write to disk.
//!
//! # What an error means
//!
//! | error | look at |
//! |---|---|
//! | `Contended` | who holds it: `GET redlock:lock:<resource>` and `PTTL` on the nodes |
//! | `NoQuorum` | the nodes it names; each with its own reason |
//! | `Quarantined` | which nodes restarted lately; it ends by itself at the time it says |
//! | `TooSlow` | the network, a node that forks, a TTL that is too short for the round trip |
//! | `Misconfigured` | the setting, password or server it names; waiting does not help |
//!
//! # Watching it
//!
//! Every operation and node call is a `tracing` span or event. Worth an alert: "a fencing counter fell",
//! "the lock key vanished although the node did not restart", "not renewed further", and any lost lease.
