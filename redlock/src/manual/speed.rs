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
//! to every node the very bytes that this client sends (they are taken down from it as it starts), waits
//! for the third reply, and does nothing else: no validity, no deadlines, no releases after a failure.
//! `rslock` 0.10 sets a plain key, so *neither* is what compares with it like for like. All run in
//! turn, each figure is the median of seven rounds, and each ratio the median of the ratios within a
//! round.
//!
//! # What came out
//!
//! Redis 7.0.15, tokio with two workers, two cores of an AMD EPYC that other builds shared: read the
//! ratios and the processor times, not the absolute latencies.
//!
//! | | ours: fencing and guard | ours: guard | ours: neither | raw, in the same order | rslock |
//! |---|--:|--:|--:|--:|--:|
//! | one task: acquire p50, µs | 174 | 162 | 135 | 143, 131, 114 | 133 |
//! | … of raw | 1.20 | 1.23 | 1.19 | | |
//! | one task: release p50, µs | 151 | 148 | 142 | 121, 120, 121 | 146 |
//! | 64 tasks on distinct keys: cycles per second | 10,471 | 13,726 | 31,201 | 10,841, 15,034, 29,737 | 20,166 |
//! | … of rslock | 0.61 | 0.69 | 1.62 | 0.54, 0.65, 1.47 | |
//! | … processor time of the client per cycle, µs | 28 | 25 | 21 | 34, 29, 23 | 33 |
//! | … processor time of the servers per cycle, µs | 58 | 42 | 24 | 61, 47, 28 | 33 |
//! | 8 tasks on one key: cycles per second | 1,931 | 2,445 | 2,849 | 2,613, 3,136, 3,131 | 2,716 |
//! | one node stopped, one task: acquire p50, µs | 151 | 133 | 113 | 121, 125, 99 | 501,481 |
//! | one node stopped: p99, of the healthy p99 | 0.97 | 0.94 | 1.03 | 0.93, 0.90, 1.04 | 866 |
//! | 10,000 leases, TTL 10 s, renewed: resident, MB | 32.3 | 32.0 | 32.5 | 126, 120, 131 | 26.3 |
//! | … of one core, % | 6.8 | 6.2 | 6.1 | 9.4, 9.3, 9.3 | 12.3 |
//!
//! Nobody lost a lease. In the row of 8 tasks everybody waits for its back-off most of the time, so it
//! compares waiting times: raw has ours, `rslock` a random one of up to 200 ms.
//!
//! # What was aimed at, and what limits it
//!
//! | aim | reached | what limits it |
//! |---|---|---|
//! | one task: p50 within 10% of raw | no: 19 to 23% | see below |
//! | 64 tasks, neither: 1.35 times rslock | yes: 1.62 | |
//! | 64 tasks, fencing and guard: as many as rslock | no: 0.61 | the acquire script, on the servers; raw reaches 0.54 |
//! | one node stopped: p99 within twice the healthy | yes | a stopped node is not waited for |
//! | 10,000 leases: 60 MB, 20% of a core | yes: 33 MB, 7% | |
//!
//! *Fencing and guard.* With all of it on one machine, cycles per second are bounded by the processor
//! time of client and servers together: 86 µs per cycle against 66 µs of `rslock`. The client's share is
//! smaller than that of the others; the servers' is what fencing and guard cost. One acquisition is five
//! nodes times 7 µs for the script against 0.9 µs for a plain `SET`; a release is 2.5 µs for everybody,
//! `rslock` included. Of these 7 µs, 2 go into starting a script with its arguments, and each command
//! in it takes 0.7 to 1.2: `HMGET` of the record and the counter, `TIME` for the clamp, `SET`, `HSET`.
//! None can be left out: without `TIME` one client with a wrong clock runs the counters away, and
//! without the record a node that forgot its keys votes. Where every node has a machine of its own this
//! limits nobody: a server does about 100,000 such cycles per second. (Processor time of one server, calls
//! pipelined, median of 15 interleaved runs.)
//!
//! *One task.* The client takes less processor time per cycle than raw does, and still answers 20 to 30
//! µs later, of which the pure core is 0.4. When nothing else is going on, nearly all of the time is the
//! kernel waking up threads and servers, in turn, on two cores; every microsecond that the client's
//! task for a node works before it writes, or after it has read, delays five servers one after the
//! other. What it does there and raw does not: pairing calls with replies itself so that they outlive
//! their caller, deadlines, and readings of three clocks around every answer.
//!
//! # What was tried
//!
//! | what | effect |
//! |---|---|
//! | a script for free locks ahead of the general one: constants in its text instead of eleven arguments, four commands instead of six, text instead of a table as the answer | an acquisition takes 7.0 instead of 10.8 µs of a server's time with fencing, 4.6 instead of 7.9 with the guard alone |
//! | the same for releases | 2.5 instead of 3.2 µs |
//! | calls boxed, and kept out of the queue's trees when they are written at once | the client's processor time per cycle from 29 to 25 µs, with neither from 26 to 22 |
//! | fewer batches in flight, so that more calls share a write | nothing measurable: under load writes are shared already |
//!
//! What is left to try: one script call for several acquisitions that are due at once, which would
//! read record and `TIME` once for all of them.
