//! Programs that send each other the time: what every link does to every message.

use std::{collections::BTreeMap, rc::Rc};

use simulator::{network::Stream, workload::Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::{Notes, config, ms, name, pause_ms, run, until};

/// When a message was sent and when it arrived, in milliseconds.
pub(crate) type Trip = (u64, u64);

/// How a connection ended, as one end saw it: who, the other end, when, and what reading said.
pub(crate) type Ending = (String, String, u64, String);

/// What a mesh of hosts measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Per link, `from>to`, in the order of sending.
    pub(crate) trips: BTreeMap<String, Vec<Trip>>,
    pub(crate) endings: Vec<Ending>,
}

/// The port on which they talk.
const PORT: u16 = 9_000;
/// When they begin, and how often they send.
pub(crate) const FROM: u64 = 500;
pub(crate) const EVERY: u64 = 20;

#[derive(Clone, Default)]
struct Book {
    trips: Notes<(String, Trip)>,
    endings: Notes<Ending>,
}

/// Has `clients` hosts talk, each with each over one connection, opened by the one with the lower number.
pub(crate) fn mesh(clients: usize, faults: &str) -> Measured {
    let book = Book::default();
    let shared = book.clone();
    run(config(clients), faults, move |session| {
        talk(session, clients, shared.clone())
    });
    let mut measured = Measured {
        endings: book.endings.take(),
        ..Measured::default()
    };
    for (link, trip) in book.trips.take() {
        measured.trips.entry(link).or_default().push(trip);
    }
    measured
}

async fn talk(session: Session, clients: usize, book: Book) {
    let session = Rc::new(session);
    let own = name(&session);
    let listener = session.process().listen(PORT).unwrap();
    let (accepting, shared) = (session.clone(), book.clone());
    session.process().spawn(async move {
        loop {
            let stream = listener.accept().await;
            let peer = stream.peer().to_string();
            converse(&accepting, peer, stream, &shared);
        }
    });
    until(&session, FROM - 100).await;
    for number in 1..=clients {
        let peer = format!("client-{number}");
        if peer > own {
            let stream = session.process().connect(&peer, PORT).await.unwrap();
            converse(&session, peer, stream, &book);
        }
    }
}

/// Sends the time every now and then, and takes down what arrives.
fn converse(session: &Rc<Session>, peer: String, stream: Stream, book: &Book) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = session.clone();
    session.process().spawn(async move {
        until(&sending, FROM).await;
        loop {
            let now = ms(sending.process().true_time());
            if writer.write_all(&now.to_le_bytes()).await.is_err() {
                return;
            }
            pause_ms(&sending, EVERY).await;
        }
    });
    let (receiving, book, own) = (session.clone(), book.clone(), name(session));
    session.process().spawn(async move {
        let mut sent = [0; 8];
        loop {
            let read = reader.read_exact(&mut sent).await;
            let now = ms(receiving.process().true_time());
            match read {
                Ok(_) => {
                    let trip = (u64::from_le_bytes(sent), now);
                    book.trips.push((format!("{peer}>{own}"), trip));
                }
                Err(error) => {
                    let how = error.kind().to_string();
                    return book.endings.push((own, peer, now, how));
                }
            }
        }
    });
}
