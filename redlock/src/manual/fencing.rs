//! How fencing tokens are made, why they can be trusted, and what the protected store must do.
//!
//! # What the store must do
//!
//! Keep the highest token it has seen for the resource, and refuse every operation with a lower one,
//! **reads included**. The first read of a new holder then seals the store against the old one. If
//! only writes carry the token, an old write in flight can slip in between the new holder's read and
//! its write, and is then overwritten by a value computed from before it: a lost update.
//!
//! In SQL, with a column `fence` beside the data:
//!
//! ```sql
//! -- Before reading: seal. No row means that a newer holder was here.
//! UPDATE invoice SET fence = :token WHERE id = :id AND fence <= :token;
//! SELECT … FROM invoice WHERE id = :id;
//! -- Writing: the same condition.
//! UPDATE invoice SET total = :total, fence = :token WHERE id = :id AND fence <= :token;
//! ```
//!
//! Equal tokens are the same holder. They do not order that holder's own retries: add a sequence
//! number if a late duplicate of your own write would hurt. Tokens of different resources are not
//! comparable.
//!
//! # How a token is made
//!
//! A token has to be unique and to grow in the order of acquisition even when clocks jump and keys
//! vanish, because that is when it is needed. The largest of per-node counters does not do: with
//! acquisitions through the nodes 12, 13, 12, 13 and 23 of three, all counters start at 0 and nothing
//! fails, the tokens are 1, 2, 3, 4 and 3. No protocol with one message per node and a totally ordered
//! token can do it without any timing assumption.
//!
//! 1. One script per node sets the lock key if it is free and the counter to `max(counter + 1, p)`. The
//!    proposal p is the client's wall clock in microseconds, or one more than the highest counter it
//!    has seen; the node clamps it to its own time ± `max_ttl`/4. S is the set of nodes whose grant
//!    and counter were received, the token t the largest counter in S.
//! 2. If q nodes of S answered exactly t, that is all: one round trip, and the usual case, because all
//!    of them answer p.
//! 3. Otherwise t is published to S: "if the lock is still mine, counter = max(counter, t)". q nodes
//!    of S must confirm. Late grants may join S, and t never falls.
//! 4. Then the clock is read: the validity must still stand.
//!
//! Take two successful acquisitions A and B. Some node confirmed both tokens. Its key belonged to A
//! and to B at different times, say to A first; its counter reached A's token in that time and never
//! falls, and granting to B answered at least one more. So B's token is larger. If A was finished
//! before B began, A was first there. No clock was used; that the node confirms *while the key is
//! ours* and that only nodes of S count were.
//!
//! The wall clock in p only makes one round trip likely. Wrong clocks cost the second one.
//!
//! # When nodes forget their counters
//!
//! A node that lost its memory starts from its own time. After its quarantine, order rests on the
//! nodes' clocks: their disagreement plus `max_ttl`/2 must stay below `max_ttl`. If you cannot promise
//! that, run the nodes with `appendonly yes` and `appendfsync always`. The loss of a majority's memory
//! at once rests on the same clocks.
//!
//! Counters live in a fixed number of stripes, shared by resources through a hash, because a counter
//! per resource would be kept for ever. They refuse to pass 2^53 − 1, which is the year 2255.
