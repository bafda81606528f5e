//! Two clients of one server that sends back what it gets. The second one's link is never touched: when something went there
//! and back three times on it, what is still missing on the first one is being kept.

use simulator::{
    clock::Clocks,
    history::Recorder,
    network::{Block, Latency, Trouble},
};
use tokio::task::LocalSet;

use super::*;
use crate::live::clock;

const HOLD: Trouble = Trouble::Blocked(Block::Hold);
const CUT: Trouble = Trouble::Blocked(Block::Cut);

struct Lab {
    links: Arc<Links>,
    hosts: [Arc<Host>; 3],
    ports: [u16; 2],
    /// What the server got, in order.
    got: Rc<std::cell::RefCell<Vec<u8>>>,
}

impl Lab {
    async fn new() -> Self {
        let (recorder, watch) = (Recorder::new(), Watch::start(Duration::ZERO));
        let network = Arc::new(Network::new(
            1,
            Latency::constant(0),
            recorder.clone(),
            false,
        ));
        let hosts = ["client-1", "client-2", "node-1"].map(|name| {
            let clocks = Clocks::new(0, Duration::ZERO, 0);
            Host::new(name.into(), 1, clocks, &network, &recorder)
        });
        let links = Links::new(network, watch, Notes::default());
        let got = Rc::default();
        let port = echo(&got).await;
        let mut ports = [0; 2];
        for (client, taken) in ports.iter_mut().enumerate() {
            let route = Route {
                client: hosts[client].id(),
                server: hosts[2].clone(),
                port,
                gate: watch::Sender::new(true).subscribe(),
                greets: true,
            };
            *taken = links.listen(route).await.unwrap();
        }
        Self {
            links,
            hosts,
            ports,
            got,
        }
    }

    /// Connects, and waits until the link says that the server answered.
    async fn connect(&self, client: usize) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[client])).await?;
        assert_eq!(stream.read_u8().await?, CONNECTED);
        Ok(stream)
    }

    fn change(&self, to_server: bool, trouble: Trouble, begins: bool) {
        let (client, server) = (self.hosts[0].id(), self.hosts[2].id());
        let (from, to) = if to_server {
            (client, server)
        } else {
            (server, client)
        };
        let (network, now) = (&self.links.network, self.links.watch.now());
        if begins {
            network.begin(now, from, to, trouble);
        } else {
            network.end(now, from, to, trouble);
        }
    }

    /// Three times there and back for the other client.
    async fn a_while(&self) {
        let mut other = self.connect(1).await.unwrap();
        for _ in 0..3 {
            other.write_all(b".").await.unwrap();
            assert_eq!(other.read_u8().await.unwrap(), b'.');
        }
        self.got.borrow_mut().retain(|byte| *byte != b'.');
    }

    fn got(&self) -> String {
        String::from_utf8(self.got.borrow().clone()).unwrap()
    }
}

async fn echo(got: &Rc<std::cell::RefCell<Vec<u8>>>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = got.clone();
    super::super::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let got = got.clone();
            super::super::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    got.borrow_mut().push(byte);
                    let _ = stream.write_all(&[byte]).await;
                }
            });
        }
    });
    port
}

/// Whether nothing has come yet.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn within_a_lab<F: Future<Output = ()>>(story: impl FnOnce(Lab) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks = LocalSet::new();
    let told = runtime.block_on(tasks.run_until(async {
        let lab = Lab::new().await;
        clock::within(Duration::from_secs(20), story(lab)).await
    }));
    assert!(told.is_some(), "it takes too long");
}

#[test]
fn each_direction_is_held_on_its_own() {
    within_a_lab(async |lab| {
        let mut stream = lab.connect(0).await.unwrap();
        lab.change(true, HOLD, true);
        stream.write_all(b"a").await.unwrap();
        lab.a_while().await;
        assert_eq!(lab.got(), "", "the request waits");
        lab.change(true, HOLD, false);
        assert_eq!(stream.read_u8().await.unwrap(), b'a');

        lab.change(false, HOLD, true);
        stream.write_all(b"b").await.unwrap();
        lab.a_while().await;
        assert_eq!(lab.got(), "ab", "the request is there");
        assert!(is_silent(&stream), "its answer waits");
        lab.change(false, HOLD, false);
        assert_eq!(stream.read_u8().await.unwrap(), b'b');
    });
}

#[test]
fn what_was_cut_is_sent_again_and_arrives_in_order() {
    within_a_lab(async |lab| {
        let mut stream = lab.connect(0).await.unwrap();
        lab.change(true, CUT, true);
        stream.write_all(b"a").await.unwrap();
        lab.a_while().await;
        assert_eq!(lab.got(), "");
        lab.change(true, CUT, false);
        // Nothing passes what is yet to be sent again.
        stream.write_all(b"b").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        assert_eq!(stream.read_u8().await.unwrap(), b'b');
        assert_eq!(lab.got(), "ab");
    });
}

#[test]
fn what_was_cut_and_given_up_never_arrives() {
    within_a_lab(async |lab| {
        let mut stream = lab.connect(0).await.unwrap();
        lab.change(true, CUT, true);
        stream.write_all(b"a").await.unwrap();
        lab.a_while().await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        lab.a_while().await;
        lab.change(true, CUT, false);
        let mut later = lab.connect(0).await.unwrap();
        // Longer than it takes until something is sent again.
        for _ in 0..5 {
            clock::sleep(Duration::from_millis(100)).await;
            later.write_all(b"z").await.unwrap();
            assert_eq!(later.read_u8().await.unwrap(), b'z');
        }
        assert_eq!(lab.got(), "zzzzz");
    });
}

#[test]
fn connecting_crosses_the_link_there_and_back() {
    within_a_lab(async |lab| {
        for to_server in [true, false] {
            lab.change(to_server, HOLD, true);
            let port = lab.ports[0];
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .unwrap();
            lab.a_while().await;
            assert!(is_silent(&stream));
            lab.change(to_server, HOLD, false);
            assert_eq!(stream.read_u8().await.unwrap(), CONNECTED);
        }
        lab.hosts[2].crash(lab.links.watch.now(), false, false);
        assert!(lab.connect(0).await.is_err(), "nobody listens there");
    });
}

#[test]
fn a_reset_is_told_to_both_ends_of_that_link_only() {
    within_a_lab(async |lab| {
        let mut stream = lab.connect(0).await.unwrap();
        let mut other = lab.connect(1).await.unwrap();
        lab.links.reset(lab.hosts[0].id(), lab.hosts[2].id());
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        other.write_all(b"o").await.unwrap();
        assert_eq!(other.read_u8().await.unwrap(), b'o');
    });
}

#[test]
fn a_machine_without_power_says_nothing_until_it_is_up_again() {
    within_a_lab(async |lab| {
        let mut stream = lab.connect(0).await.unwrap();
        let mut other = lab.connect(1).await.unwrap();
        let server = &lab.hosts[2];
        lab.links.silence(server.id());
        server.crash(lab.links.watch.now(), true, false);
        stream.write_all(b"a").await.unwrap();
        other.write_all(b"b").await.unwrap();
        clock::sleep(Duration::from_millis(50)).await;
        assert!(is_silent(&stream) && is_silent(&other));
        server.start(lab.links.watch.now());
        for stream in [&mut stream, &mut other] {
            let error = stream.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        assert_eq!(lab.got(), "", "it knew nothing of these connections");
    });
}
