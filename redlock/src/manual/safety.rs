//! What is promised under which assumption, and what Redlock is not safe for.
//!
//! # Two different promises
//!
//! **Windows do not overlap.** The window of a lease runs from the moment when `acquire` returned to
//! the earliest of release, reported loss and the deadline. The windows of two holders of one resource
//! are disjoint in real time, for any message delay, loss or reordering and any pause of any process,
//! as long as
//!
//! 1. clocks keep to the configured [`Drift`](crate::Drift): nodes run at most ρ_s fast and step
//!    forward by at most σ_s, and at least one of the client's clocks runs at most ρ_c slow and stands
//!    still for at most σ_c;
//! 2. no node forgets an unexpired key while it votes (the restart guard turns most ways of forgetting
//!    into an absence of `max_ttl`);
//! 3. every attempt uses an owner token of its own (the client sees to it);
//! 4. the holder stops at its deadline, and releases only after it stopped;
//! 5. all clients use the same nodes, quorum and `max_ttl` (the nodes refuse clients that do not).
//!
//! Why: two quorums share a node. On that node the second key was set after the first was gone. If it
//! was released, the first holder had stopped before. If it expired, it lived at least
//! (ttl − g − σ_s)/(1 + ρ_s) of real time after the first holder read `t1`, and that holder believes
//! only while its own elapsed time is below V(ttl), which the formula puts below that. If it was
//! forgotten, assumption 2 is broken. No bound on delay is used: the client measures how long
//! acquiring took instead of assuming it.
//!
//! **Effects do not interleave.** That a *write* of an old holder does not land after a new holder
//! began is a different matter: a process can be stopped between looking at its deadline and sending
//! the write, and a network can deliver the write minutes later. No lock service can prevent this from
//! the outside; ZooKeeper, etcd and Consul cannot either (Kleppmann, "How to do distributed locking",
//! 2016). What prevents it is the store: with [`fencing`](super::fencing), a store that refuses tokens
//! below the highest it has seen accepts no write of an old holder after the first operation of a new
//! one. This promise needs no assumption about clocks.
//!
//! # What it is not safe for
//!
//! - **A resource that cannot check tokens, when a second holder would be a disaster.** The window is
//!   then all there is, and a pause at the wrong moment ends it unnoticed. Put the resource behind
//!   something that checks, or use a transaction in the store itself.
//! - **Nodes whose clocks are slewed or stepped more than the allowance.** See
//!   [`timing`](super::timing) for what common time daemons do.
//! - **Nodes that lose keys one by one while they run**: an eviction policy other than `noeviction`,
//!   an operator who deletes keys, a failover to a replica. The client refuses nodes with replicas, and
//!   [`Lease::slack`](crate::Lease::slack) says how many such losses the present lease survives.
//! - **A holder that is cloned**: a snapshot of a virtual machine resumed twice has the same owner
//!   token and the same fencing token in both copies. Nothing in this crate can tell them apart.
//! - **Fairness and order of arrival.** Whoever asks at the right moment wins.
//! - **Locks that outlive their holder.** A lease ends by itself; that is its point.
//!
//! If all you need is that work is *usually* not done twice, one Redis node and a plain
//! `SET key value NX PX ttl` are cheaper. If you already run a consensus store, its leases have a
//! service behind them that forgets nothing, and need the same fencing.
