//! Every known way to break a lock like this, and what the client does about it.
//!
//! # The holder stops for a while
//!
//! A garbage collection, a page fault, SIGSTOP, a laptop lid. When it goes on, its lease may be over
//! and somebody else at work. Elapsed time is taken from CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW and the
//! wall clock, whichever counted most, so that sleeping machines count too;
//! [`Lease::is_valid`](crate::Lease::is_valid) answers exactly, [`Lease::lost`](crate::Lease::lost) at
//! most 100 ms after the process runs again, and `with` drops its body. Between the last look and the
//! write, only the [fencing token](super::fencing) helps.
//!
//! # The network delays a message
//!
//! - *The reply*: the validity counts from before the first byte was sent, and the clock is read again
//!   after the q-th reply. A lease that arrives too late is released and reported as too slow.
//! - *The request*: a SET can reach a node after its sender gave up. Every call that was not answered
//!   in time is followed by a release on the same connection, where it cannot overtake the SET. If the
//!   connection breaks, the old one is killed on the server (`CLIENT KILL ID`) before anything is
//!   released over the new one: otherwise a SET still in the old socket lands after the release.
//! - *The protected write*: see [fencing](super::fencing). A write was once delivered 90 seconds late
//!   (GitHub, 22 December 2012).
//!
//! # A node forgets
//!
//! A restart without persistence, `appendfsync everysec` and a power cut, FLUSHALL, a virtual machine
//! set back: the node would grant again what it had granted before, and a quorum of three loses its
//! common node. Every acquisition compares the node's identity (`run_id:master_replid`) with the one
//! that was admitted; on a mismatch the node quarantines itself for `max_ttl`, after which no lease
//! that it forgot can be valid. Its own clock does not end the quarantine: it was wrong until the time
//! daemon stepped it, just after boot. The node's quarantine key must have expired *and* a client must
//! prove, with the quarantine's random nonce, that it measured `max_ttl` on the slowest of its own
//! clocks. The guard record, the admitted identity and the counters live in one
//! hash, so they are lost together with the keys.
//!
//! A machine set back to a snapshot keeps its identity. Each client tells the node a fencing counter
//! that it has seen there; a node whose counter is lower is quarantined before it can vote. A client
//! that has seen nothing since the snapshot cannot tell.
//!
//! Deleting single keys goes unnoticed by all of this. Eviction does so by policy, and takes lock keys
//! first because they have a TTL: nodes with a `maxmemory-policy` other than `noeviction` are refused.
//!
//! A failover to a replica and back leaves the connection and the run id in place while keys are lost.
//! Nodes with connected replicas are therefore refused, when connecting and at every look at the node
//! (every 10 s), unless all clients use [`strict_identity`](crate::Builder::strict_identity): then every
//! acquisition reads the node's replication id, which each promotion changes. A replica that is attached
//! and promoted between two looks is noticed at the second, not before; if that can happen, be strict.
//!
//! # A node's clock is wrong
//!
//! Redis expires keys by its wall clock. A node that runs fast, or steps forward, expires a key early.
//! The [drift allowance](super::timing) covers what it is configured for; beyond it, a lease held on
//! more nodes than the quorum survives as many wrong clocks as its
//! [slack](crate::Lease::slack). A node whose clock stepped back keeps keys too long: a key whose TTL
//! exceeds `max_ttl` proves it and is cut down.
//!
//! # An attempt fails halfway
//!
//! What was granted is released at once, so that one's own leftovers do not block the next attempt.
//! Each attempt has an owner token of its own; with one token for all attempts, the delayed release of
//! the first frees the lock of the second. A failed *extension* releases nothing: the old deadline
//! still stands. An extension never sets a missing key again, never shortens a TTL, and each
//! confirmation counts from the start of its own round.
//!
//! # One server counted twice
//!
//! Two URLs that reach one server would give it two votes. The run id tells; the second is refused and
//! every acquisition fails with an error that names both.
//!
//! # Clients that disagree
//!
//! With another N, quorum or `max_ttl`, one client breaks the exclusion of all others. Nodes store
//! the settings of the first and refuse whoever differs, by name of the setting.
//! [`replace_settings`](crate::Redlock::replace_settings) changes them on purpose.
//!
//! # A node that hangs
//!
//! A node that accepts connections and answers nothing costs nobody any waiting: attempts are decided
//! by the q-th grant or the first refusal that puts the quorum out of reach. Calls to it are capped,
//! its unanswered connection is abandoned after a second, and what it may still execute from the old
//! socket is released once it answers again.
//!
//! # The task goes away
//!
//! Dropping the future of an acquisition, a lease, or the whole body of `with` loses no release: node
//! calls belong to a task of their node, not to the caller. Only the end of the runtime, or of the
//! process, leaves keys to their TTL; [`shutdown`](crate::Redlock::shutdown) drains them first.
