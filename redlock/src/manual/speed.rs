//! What an acquisition costs, beside `rslock` and beside a loop that does nothing but send the bytes.
//!
//! # How it is measured
//!
//! ```text
//! cargo run --release -p benches --bin redlock-compare      # 15 minutes; --help says what can be left out
//! cargo bench -p benches                                    # the pure core alone
//! ```
//!
//! Five redis-server processes and the client on one machine. *Raw* is a loop over redis-rs that sends
//! to every node the very bytes that this client sends for a lone lease (they are taken down from it as it
//! starts), waits for the third reply, and does nothing else: no validity, no deadlines, no releases
//! after a failure. It does not put several calls into one command, as this client does under load.
//! `rslock` 0.10 sets a plain key, so *neither* is what compares with it like for like. All run in
//! turn, each figure is the median of seven rounds, and each ratio the median of the ratios within a
//! round.
//!
//! # What came out
//!
//! Redis 7.0.15, tokio with two workers, two cores of an AMD EPYC that other builds shared: read the
//! ratios and the processor times, not the absolute figures.
//!
//! 64 tasks on distinct keys, in the quietest hour: nine rounds in three sets, the client before and
//! after packing in turn. Ratios are medians of the sets. Raw: three rounds.
//!
//! | | fencing and guard | before packing | raw | neither | before packing | rslock |
//! |---|--:|--:|--:|--:|--:|--:|
//! | cycles per second | 26,600 | 19,500 | 20,400 | 34,800 | 32,200 | 20,000 |
//! | … of rslock | 1.39 | 0.95 | 1.03 | 1.72 | 1.59 | |
//! | … processor time of the client per cycle, µs | 22 | 25 | 24 | 25 | 24 | 41 |
//! | … processor time of the servers per cycle, µs | 37 | 57 | 57 | 21 | 25 | 36 |
//!
//! With one of the two cores taken by others (18 rounds): 1.16 of rslock with fencing and guard, 1.15 with the
//! guard alone, 1.31 with neither. Nothing is certain then: the first
//! of these ratios went from 0.2 to 4.7 in single rounds.
//!
//! Everything else, seven rounds on the busy machine:
//!
//! | | ours: fencing and guard | ours: guard | ours: neither | raw, in the same order | rslock |
//! |---|--:|--:|--:|--:|--:|
//! | one task: acquire p50, µs | 194 | 167 | 146 | 164, 149, 112 | 150 |
//! | … of raw | 1.17 | 1.20 | 1.24 | | |
//! | one task: release p50, µs | 158 | 151 | 155 | 134, 130, 124 | 171 |
//! | … of raw | 1.18 | 1.19 | 1.24 | | |
//! | 8 tasks on one key: cycles per second | 2,019 | 2,335 | 2,822 | 2,259, 2,575, 3,120 | 2,792 |
//! | one node stopped, one task: acquire p50, µs | 163 | 153 | 122 | 135, 150, 124 | 501,744 |
//! | one node stopped: p99, of the healthy p99 | 0.88 | 0.86 | 0.83 | 0.66, 0.97, 1.00 | 1,647 |
//!
//! 10,000 leases with a TTL of 10 s, renewed (measured before packing, which leaves extensions alone): 32 MB resident and 6 to 7%
//! of one core; raw 120 to 131 MB and 9%; `rslock` 26 MB and 12%. Nobody lost a lease. In the row
//! of 8 tasks everybody waits for its back-off most of the time, so it compares waiting times: raw has
//! ours, `rslock` a random one of up to 200 ms.
//!
//! # What was aimed at, and what limits it
//!
//! | aim | reached | what limits it |
//! |---|---|---|
//! | one task: p50 within 10% of raw | no: 17 to 24% | see below |
//! | 64 tasks, neither: 1.35 times rslock | yes: 1.72 | |
//! | 64 tasks, fencing and guard: as many as rslock | yes: 1.39 | |
//! | one node stopped: p99 within twice the healthy | yes | a stopped node is not waited for |
//! | 10,000 leases: 60 MB, 20% of a core | yes: 33 MB, 7% | |
//!
//! *Fencing and guard.* With all of it on one machine, cycles per second are bounded by the processor
//! time of client and servers together: 59 µs per cycle against 77 µs of `rslock`. With 64 tasks about
//! 40 calls arrive at a server in one read. Run one by one, an acquisition and a release are 10.8 µs of its
//! time: starting two scripts, and `HMGET` of the record and the counter, `TIME` for the clamp, `SET`, `HSET`, `GET`
//! and `DEL` at 0.7 to 1.2 each. Run by one script, 20 of each are 6.3 µs each, because a pack has one start, one
//! `HMGET`, one `TIME`, one `HSET` and one `DEL`. What is left is a `SET` and a `GET` per lease, and making Lua's strings
//! of six arguments. Smaller packs save less (4 of each: 7.8) and with one of each lose, so fewer than four
//! calls are not packed. (Processor time of one server, 20 of each per write, median of nine interleaved runs.)
//!
//! *One task.* Per cycle the client takes 74 µs of user and 143 µs of system time, raw 39 and 115. Two thirds is the kernel: 35%
//! is sending alone, 6 µs per call, and with it waking the server; parking and waking threads is a quarter. Of
//! the user time, redis-rs (its channel, encoding, parsing) is the largest part; what this client does and raw
//! does not is pairing calls with replies itself so that they outlive their caller, a second queue in front of
//! redis-rs', deadlines, and readings of clocks around every answer, and it is spread evenly: no function has
//! more than 1.2% of all. Thread switches are as many as raw has, 6.8 per cycle. On two cores all of that
//! delays five servers one after the other.
//!
//! # What was tried
//!
//! | what | effect |
//! |---|---|
//! | four or more releases and acquire calls of one batch as one script | 20,000 → 27,000 cycles per second, the servers' processor time per cycle from 57 to 37 µs; with neither, where only releases are packed, from 25 to 21 µs |
//! | a script for free locks ahead of the general one: constants in its text instead of eleven arguments, four commands instead of six, text instead of a table as the answer | a lone acquisition takes 7.0 instead of 10.8 µs of a server's time with fencing, 4.6 instead of 7.9 with the guard alone |
//! | the same for releases | 2.5 instead of 3.2 µs |
//! | calls boxed, and kept out of the queue's trees when they are written at once | the client's processor time per cycle from 29 to 25 µs, with neither from 26 to 22 |
//! | a waker for the driver that does not hear its own task's writing | one task: user time per cycle from 87 to 74 µs; a run of the task and often an eventfd write less per call |
//! | one look at inbox and connection per wake-up, one reading of the clock per look | one task: acquire p50 from 157 to 153 µs |
//! | writing from the caller's thread while nothing is under way at a node | nothing measurable (1.24 of raw against 1.23): left out |
//! | fewer batches in flight, so that more calls share a write | nothing measurable: under load writes are shared already |
