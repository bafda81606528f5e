//! How a service tests its own use of the lock: in a world where things go wrong, with an invariant of its own.
//!
//! `cargo run -p simulator --example box_office`
//!
//! The service is a box office. Three of them sell the numbered seats of one show. The number of seats sold is in a store that all
//! of them share; a lock keeps two of them from selling the same seat. Their invariant has nothing to do with locks: *no seat has
//! two customers*. It is checked on their own books.
//!
//! The office is careful: it looks at its lease right before it writes. Then the network keeps the write for four seconds, the
//! lease runs out, another office sells the seat, and the write arrives. If the store compares fencing tokens it refuses that write, and
//! the customer is told to try again. If it does not, two people sit on one chair. Try it with a service of yours:
//!
//! 1. Write what your service does with the lock and the data as a program that is given a [`Session`] ([`Office::open`] here). It
//!    acquires, reads, writes and releases through it, sleeps on the clock of its host, and runs anew when its process restarts.
//! 2. Have it note what it told its customers ([`Books`]).
//! 3. Say what goes wrong ([`FAULTS`]), in the format of [`simulator::plan::format`]. `holder` is whoever holds the lock when a
//!    fault begins: you need not know when that is.
//! 4. Run it with several seeds and check the books. The same seed gives the same run, to the byte, so that what you found you
//!    can look at for as long as you like.
//! 5. When an invariant breaks, ask the checkers: they know true time, and can tell what your service could not see.

use std::{cell::RefCell, collections::BTreeMap, error::Error, rc::Rc, time::Duration};

use redlock::Runtime as _;
use simulator::{
    checkers::{Checker, check_all},
    plan::Plan,
    store::Fencing,
    truth::Goal,
    workload::Session,
    world::{ClientProgram, World, WorldConfig},
};

/// What goes wrong. Twice the way from the holder to the store is stuck for longer than the lease lasts; in between a holder is
/// stopped as by a long garbage collection, and one of the five Redis nodes dies and comes back.
const FAULTS: &str = r#"
[[fault]]
kind = "hold"
from = "holder"
to = "store"
direction = "one_way"
start_ms = 2000
duration_ms = 4000

[[fault]]
kind = "pause"
target = "holder"
start_ms = 8000
duration_ms = 3000

[[fault]]
kind = "crash"
target = "node-2"
start_ms = 9000
duration_ms = 1000

[[fault]]
kind = "hold"
from = "holder"
to = "store"
direction = "one_way"
start_ms = 14000
duration_ms = 4000
"#;

/// What all offices told their customers: who has which seat. A real service would look into its database.
#[derive(Clone, Default)]
struct Books(Rc<RefCell<BTreeMap<u64, Vec<String>>>>);

impl Books {
    fn sold(&self, seat: u64, customer: String) {
        self.0.borrow_mut().entry(seat).or_default().push(customer);
    }

    fn seats(&self) -> usize {
        self.0.borrow().len()
    }

    /// The invariant is that there are none.
    fn sold_twice(&self) -> Vec<(u64, Vec<String>)> {
        let books = self.0.borrow();
        let twice = books.iter().filter(|(_, customers)| customers.len() > 1);
        twice
            .map(|(seat, customers)| (*seat, customers.clone()))
            .collect()
    }
}

/// The service.
struct Office {
    session: Session,
    books: Books,
}

impl Office {
    /// Serves customers until the world ends.
    async fn open(self) {
        let process = self.session.process();
        for number in 1.. {
            process.runtime().sleep(Duration::from_millis(50)).await;
            let customer = format!("customer {number} of {}", process.host().name());
            if let Some(seat) = self.sell().await {
                self.books.sold(seat, customer);
            }
        }
    }

    /// Sells the next seat. `None`: nothing was sold, or nobody knows; the customer is told to try again.
    async fn sell(&self) -> Option<u64> {
        let lease = self
            .session
            .acquire("r1", Duration::from_secs(5))
            .await
            .ok()?;
        let sold = lease.read().await.ok()?;
        let payment = Duration::from_millis(200);
        self.session.process().runtime().sleep(payment).await;
        // Careful, and not enough: what is true here need not be true when the write arrives.
        if !lease.is_valid() {
            return None;
        }
        lease.write(sold + 1).await.ok()?;
        // How it ends does not matter to the customer; dropping the lease would do.
        let _ = lease.release().await;
        Some(sold + 1)
    }
}

/// One season: a world with this kind of store. Returns the books, and how often the store refused somebody.
fn season(fencing: Fencing, seed: u64) -> Result<(Books, u64), Box<dyn Error>> {
    let config = WorldConfig {
        fencing,
        tick_ms: 5,
        liveness_ms: 2_000,
        ..WorldConfig::default()
    };
    let plan = Plan::parse("faults.toml", FAULTS)?;
    plan.check(&config.hosts())?;
    let books = Books::default();
    let shared = books.clone();
    let program: ClientProgram = Rc::new(move |session| {
        let books = shared.clone();
        Box::pin(Office { session, books }.open())
    });

    let run = World::new(config.clone(), plan, seed)
        .with_program(program)
        .run();
    if let Some(failure) = run.failure {
        return Err(format!("{failure}\n{}", run.waiting).into());
    }
    // What happened, by those who know true time.
    let report = check_all(&run.history, &config.facts());
    let refused = report.goals[&Goal::StoreRefusal];
    let twice = books.sold_twice();
    println!(
        "seed {seed}: {} seats were sold, {} of them twice; the store refused {refused} accesses",
        books.seats(),
        twice.len()
    );
    if let Some((seat, customers)) = twice.first() {
        println!("  seat {seat} belongs to {}", customers.join(" and to "));
        println!("  {}", report.finding(Checker::EffectOrder).verdict);
    }
    Ok((books, refused))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("A store that compares fencing tokens, on reads as well as on writes:");
    for seed in 1..=3 {
        let (books, refused) = season(Fencing::ReadsAndWrites, seed)?;
        if !books.sold_twice().is_empty() {
            return Err("with fencing every seat has one customer".into());
        }
        // A run in which nothing came too late shows nothing.
        if books.seats() == 0 || refused == 0 {
            return Err("the faults did not do what they are there for".into());
        }
    }
    println!("\nA store that does not:");
    for seed in 1..=3 {
        let (books, _) = season(Fencing::Off, seed)?;
        // Nor does a test that cannot fail: the same faults must break the invariant here.
        if books.sold_twice().is_empty() {
            return Err("without fencing a seat is sold twice".into());
        }
    }
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
