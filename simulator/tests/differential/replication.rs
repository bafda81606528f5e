//! A real master and its replica, and the simulated pair: what they say of themselves, before and after a promotion.

use std::collections::BTreeMap;

use redlock_testkit::{RedisServer, ServerOptions};
use simulator::redis::{Config, ConnectionId, Now, Server};

use crate::real::Wire;

/// A simulated server and an operator's connection to it.
struct Simulated {
    server: Server,
    operator: ConnectionId,
}

impl Simulated {
    fn new(seed: u64) -> Self {
        let config = Config {
            seed,
            ..Config::default()
        };
        let mut server = Server::new(config, Now::default());
        let operator = server.connect(Now::default());
        Self { server, operator }
    }

    fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        let words = words.iter().map(|word| word.as_bytes().to_vec());
        let request = crate::real::encode(&words.collect::<Vec<_>>());
        let now = Now::default();
        self.server.receive(self.operator, &request, now).reply
    }
}

/// Both pairs, each a master and a replica.
struct Pairs {
    real: [RedisServer; 2],
    wires: [Wire; 2],
    ours: [Simulated; 2],
    line: ConnectionId,
}

fn text(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).into_owned()
}

impl Pairs {
    fn start() -> Self {
        let real = [(); 2].map(|()| RedisServer::start(&ServerOptions::new()).unwrap());
        let mut wires = [Wire::new(&real[0]), Wire::new(&real[1])];
        let ours = [Simulated::new(1), Simulated::new(2)];
        // A real master otherwise waits for more replicas to come.
        let at_once = ["CONFIG", "SET", "repl-diskless-sync-delay", "0"];
        assert_eq!(wires[0].ask(&at_once), b"+OK\r\n");
        let line = ConnectionId(0);
        Self {
            real,
            wires,
            ours,
            line,
        }
    }

    /// The same to both masters, or to both replicas: the same answer.
    fn both(&mut self, place: usize, words: &[&str]) -> String {
        let (theirs, ours) = (self.wires[place].ask(words), self.ours[place].ask(words));
        assert_eq!(text(&ours), text(&theirs), "{words:?}");
        text(&ours)
    }

    fn follow(&mut self) {
        let port = self.real[0].port().to_string();
        let words = ["REPLICAOF", "127.0.0.1", &port];
        assert_eq!(self.both(1, &words), "+OK\r\n");
        let again = "+OK Already connected to specified master\r\n";
        assert_eq!(self.both(1, &words), again);
        let now = Now::default();
        let [master, replica] = &mut self.ours;
        self.line = master.server.connect(now);
        let own = self.real[1].port();
        let request = format!("REPLCONF listening-port {own}\r\nPSYNC ? -1\r\n");
        let reply = master
            .server
            .receive(self.line, request.as_bytes(), now)
            .reply;
        let reply = text(&reply);
        let (head, copy) = reply.split_once("\r\n$").unwrap();
        let head = head.strip_prefix("+OK\r\n+FULLRESYNC ").unwrap();
        let (id, offset) = head.split_once(' ').unwrap();
        let (_, copy) = copy.split_once("\r\n").unwrap();
        let offset = offset.parse().unwrap();
        replica
            .server
            .take_copy(id, offset, copy.as_bytes(), now)
            .unwrap();
        // Answered once the replica has the copy and said so.
        assert_eq!(self.wires[0].ask(&["WAIT", "1", "4000"]), b":1\r\n");
    }

    /// What our master has to say, and that it arrived at the real replica too.
    fn pass(&mut self) {
        let now = Now::default();
        let [master, replica] = &mut self.ours;
        let output = master.server.take_output(self.line);
        replica.server.take_stream(&output, now).unwrap();
        let ack = format!("REPLCONF ACK {}\r\n", replica.server.replication_offset());
        let reply = master.server.receive(self.line, ack.as_bytes(), now).reply;
        assert!(reply.is_empty());
        assert_eq!(self.wires[0].ask(&["WAIT", "1", "4000"]), b":1\r\n");
    }

    /// ROLE, without how far the stream is.
    fn compare_role(&mut self, place: usize) {
        let ports = self.real.each_ref().map(|server| server.port().to_string());
        let masked = |reply: &[u8]| -> Vec<String> {
            let reply = text(reply);
            let lines = reply.lines().filter(|line| !line.starts_with('$'));
            let masked = lines.map(|line| {
                let number = line.trim_start_matches(':');
                let is_offset = number
                    .parse::<u64>()
                    .is_ok_and(|_| !ports.iter().any(|port| port == number));
                if is_offset { "offset" } else { line }.to_owned()
            });
            masked.collect()
        };
        let (theirs, ours) = (
            self.wires[place].ask(&["ROLE"]),
            self.ours[place].ask(&["ROLE"]),
        );
        assert_eq!(masked(&ours), masked(&theirs));
    }

    /// INFO's fields in their order, and the values that are no matter of chance; ids of histories by when they were first seen.
    fn compare_info(&mut self, place: usize) {
        let mut sides = Vec::new();
        for side in 0..2 {
            let mut seen = BTreeMap::new();
            let mut lines = Vec::new();
            // The masters first, so that both sides see ids in one order.
            for at in 0..2 {
                let words = ["INFO", "replication"];
                let reply = match side {
                    0 => text(&self.wires[at].ask(&words)),
                    _ => text(&self.ours[at].ask(&words)),
                };
                for line in reply.lines().filter(|line| line.contains(':')) {
                    let (name, value) = line.split_once(':').unwrap();
                    let count = seen.len();
                    let shown = match name {
                        "master_replid" | "master_replid2" => {
                            let number = seen.entry(value.to_owned()).or_insert(count);
                            format!("id {number}")
                        }
                        "master_last_io_seconds_ago" | "master_link_down_since_seconds" => {
                            (value == "-1").to_string()
                        }
                        // The lag is a matter of time.
                        "slave0" => value.split(",offset").next().unwrap().to_owned(),
                        // WAIT adds to a real stream when it has to ask, or does not.
                        _ if name.contains("offset") || name.contains("histlen") => {
                            (value.parse::<i64>().unwrap() > 0).to_string()
                        }
                        _ => value.to_owned(),
                    };
                    if at == place {
                        lines.push(format!("{name}:{shown}"));
                    }
                }
            }
            sides.push(lines);
        }
        assert_eq!(sides[1], sides[0]);
    }
}

#[test]
fn a_pair_says_of_itself_what_a_real_one_says() {
    let mut pairs = Pairs::start();
    pairs.compare_info(0);
    for wrong in ["nonsense", "99999"] {
        let reply = pairs.both(1, &["REPLICAOF", "localhost", wrong]);
        assert!(reply.starts_with("-ERR Invalid master port"), "{reply}");
    }
    pairs.both(0, &["SET", "before", "1"]);
    pairs.follow();
    for words in [
        &["SET", "after", "2"][..],
        &["SET", "k", "v", "PX", "100000000"],
        &["SET", "n", "1"],
        &["DEL", "n"],
        &["EVAL", "return redis.call('del', 'before')", "0"],
    ] {
        pairs.both(0, words);
        pairs.pass();
    }
    for place in [0, 1] {
        pairs.compare_role(place);
        pairs.compare_info(place);
        pairs.both(place, &["GET", "after"]);
        pairs.both(place, &["GET", "before"]);
        pairs.both(place, &["EXISTS", "k", "n"]);
    }
    let refused = pairs.both(1, &["SET", "a", "b"]);
    assert!(refused.starts_with("-READONLY"), "{refused}");
    for words in [
        &["EVAL", "return redis.call('del', 'k')", "0"][..],
        &["EVAL", "return redis.call('get', 'after')", "0"],
        &["WAIT", "0", "0"],
        &["REPLCONF", "odd"],
        &["REPLCONF", "not-one", "1"],
    ] {
        pairs.both(1, words);
    }
}

#[test]
fn a_promotion_looks_as_a_real_one_does() {
    let mut pairs = Pairs::start();
    pairs.follow();
    pairs.both(0, &["SET", "k", "v"]);
    pairs.pass();
    assert_eq!(pairs.both(1, &["REPLICAOF", "NO", "ONE"]), "+OK\r\n");
    assert_eq!(pairs.both(1, &["REPLICAOF", "no", "one"]), "+OK\r\n");
    pairs.compare_role(1);
    pairs.compare_info(1);
    assert_eq!(pairs.both(1, &["SET", "k", "w"]), "+OK\r\n");
    assert_eq!(pairs.both(1, &["GET", "k"]), "$1\r\nw\r\n");
    assert_eq!(pairs.both(0, &["GET", "k"]), "$1\r\nv\r\n");
}
