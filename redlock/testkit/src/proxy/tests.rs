//! Faults on the way between a real client and a real server.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};

use super::*;
use crate::ServerOptions;

struct Lab {
    server: RedisServer,
    proxy: Proxy,
}

impl Lab {
    fn new() -> Self {
        let server = RedisServer::start(&ServerOptions::new()).unwrap();
        let proxy = Proxy::to(&server).unwrap();
        Self { server, proxy }
    }

    /// A client without time-outs of its own.
    async fn client(&self) -> MultiplexedConnection {
        let config = redis::AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let client = redis::Client::open(self.proxy.url()).unwrap();
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .unwrap()
    }

    fn on_server(&self, key: &str) -> Value {
        self.server.command(&["GET", key])
    }
}

async fn set(mut client: MultiplexedConnection, key: &'static str) -> RedisResult<Value> {
    redis::cmd("SET")
        .arg(key)
        .arg("v")
        .query_async(&mut client)
        .await
}

fn text(value: &str) -> Value {
    Value::BulkString(value.into())
}

#[tokio::test]
async fn everything_passes_and_is_counted() {
    let lab = Lab::new();
    let client = lab.client().await;
    let before = lab.proxy.counts();
    let (request, reply) = (
        lab.proxy.next_request("alpha"),
        lab.proxy.next_reply_to("alpha"),
    );
    assert!(request.is_absent());
    assert_eq!(set(client, "alpha").await, Ok(Value::Okay));
    assert_eq!(
        request.forwarded().await.bytes,
        b"*3\r\n$3\r\nSET\r\n$5\r\nalpha\r\n$1\r\nv\r\n"
    );
    assert_eq!(reply.forwarded().await.bytes, b"+OK\r\n");
    let after = lab.proxy.counts();
    assert_eq!(
        (
            after.connections,
            after.requests - before.requests,
            after.replies - before.replies
        ),
        (1, 1, 1)
    );
    assert_eq!(
        (
            after.request_bytes - before.request_bytes,
            after.reply_bytes - before.reply_bytes
        ),
        (31, 5)
    );
    assert!(!request.is_absent());
}

#[tokio::test]
async fn a_message_of_many_reads_stays_whole() {
    let lab = Lab::new();
    let mut client = lab.client().await;
    let value = "x".repeat(3 << 20);
    let request = lab.proxy.next_request("alpha");
    redis::cmd("SET")
        .arg("alpha")
        .arg(&value)
        .exec_async(&mut client)
        .await
        .unwrap();
    assert!(request.forwarded().await.bytes.len() > value.len());
    let back: String = redis::cmd("GET")
        .arg("alpha")
        .query_async(&mut client)
        .await
        .unwrap();
    assert!(back == value);
}

#[tokio::test]
async fn a_held_request_reaches_the_server_only_when_it_may() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.proxy.requests_containing("alpha", Flow::Hold);
    let request = lab.proxy.next_request("alpha");
    let call = tokio::spawn(set(client, "alpha"));
    assert_eq!(request.held().await.fate, Fate::Waiting);
    assert_eq!(lab.on_server("alpha"), Value::Nil);
    assert!(!call.is_finished());
    lab.proxy.pass();
    assert_eq!(call.await.unwrap(), Ok(Value::Okay));
    assert_eq!(lab.on_server("alpha"), text("v"));
}

#[tokio::test]
async fn what_comes_behind_a_held_message_waits_but_other_connections_do_not() {
    let lab = Lab::new();
    let (one, two) = (lab.client().await, lab.client().await);
    lab.proxy.requests_containing("alpha", Flow::Hold);
    let (alpha, beta) = (
        lab.proxy.next_request("alpha"),
        lab.proxy.next_request("beta"),
    );
    let first = tokio::spawn(set(one.clone(), "alpha"));
    alpha.held().await;
    let second = tokio::spawn(set(one, "beta"));
    beta.arrived().await;
    assert_eq!(set(two, "gamma").await, Ok(Value::Okay));
    assert_eq!(
        (lab.on_server("beta"), lab.on_server("gamma")),
        (Value::Nil, text("v"))
    );
    lab.proxy.pass();
    assert_eq!(first.await.unwrap(), Ok(Value::Okay));
    assert_eq!(second.await.unwrap(), Ok(Value::Okay));
}

#[tokio::test]
async fn a_swallowed_reply_was_executed_and_nothing_follows_it() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.proxy.replies_to("alpha", Flow::Swallow);
    let reply = lab.proxy.next_reply_to("alpha");
    let first = tokio::spawn(set(client.clone(), "alpha"));
    reply.swallowed().await;
    assert_eq!(lab.on_server("alpha"), text("v"));
    lab.proxy.pass();
    let reply = lab.proxy.next_reply_to("beta");
    let second = tokio::spawn(set(client, "beta"));
    reply.swallowed().await;
    assert!(!first.is_finished() && !second.is_finished());
    // A new connection is a new stream.
    assert_eq!(set(lab.client().await, "gamma").await, Ok(Value::Okay));
    lab.proxy.cut(Cut::Reset);
    assert!(first.await.unwrap().is_err() && second.await.unwrap().is_err());
    lab.proxy.disconnected().await;
}

#[tokio::test]
async fn a_swallowed_request_never_reaches_the_server() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.proxy.requests(Flow::Swallow);
    let request = lab.proxy.next_request("alpha");
    let call = tokio::spawn(set(client, "alpha"));
    request.swallowed().await;
    assert_eq!(lab.on_server("alpha"), Value::Nil);
    lab.proxy.cut(Cut::Fin);
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn the_request_of_a_closed_connection_lands_late() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.proxy.requests_containing("alpha", Flow::Hold);
    let request = lab.proxy.next_request("alpha");
    let call = tokio::spawn(set(client, "alpha"));
    request.held().await;
    lab.proxy.cut_clients(Cut::Reset);
    assert!(call.await.unwrap().is_err());
    assert_eq!(lab.on_server("alpha"), Value::Nil);
    lab.proxy.pass();
    request.forwarded().await;
    lab.proxy.disconnected().await;
    assert_eq!(lab.on_server("alpha"), text("v"));
}

#[tokio::test]
async fn a_cut_on_both_sides_loses_what_was_on_the_way() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.proxy.requests_containing("alpha", Flow::Hold);
    let request = lab.proxy.next_request("alpha");
    let call = tokio::spawn(set(client, "alpha"));
    request.held().await;
    lab.proxy.cut(Cut::Reset);
    request.lost().await;
    lab.proxy.disconnected().await;
    lab.proxy.pass();
    assert!(call.await.unwrap().is_err());
    assert_eq!(lab.on_server("alpha"), Value::Nil);
    assert_eq!(set(lab.client().await, "beta").await, Ok(Value::Okay));
}

#[tokio::test]
async fn a_killed_server_ends_the_connection() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.server.kill();
    assert!(set(client, "alpha").await.is_err());
    lab.server.restart().unwrap();
    assert_eq!(set(lab.client().await, "alpha").await, Ok(Value::Okay));
}

#[tokio::test]
async fn a_delay_counts_per_message_and_not_one_after_the_other() {
    let lab = Lab::new();
    let client = lab.client().await;
    let delay = Duration::from_millis(100);
    lab.proxy.replies(Flow::Delay(delay));
    let begun = Instant::now();
    let calls: Vec<_> = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
    ]
    .map(|key| tokio::spawn(set(client.clone(), key)))
    .into();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(Value::Okay));
    }
    assert!(begun.elapsed() >= delay);
    assert!(
        begun.elapsed() < 16 * delay,
        "sixteen delays in a row: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_delay_ends_early_when_the_flow_changes() {
    let lab = Lab::new();
    let client = lab.client().await;
    lab.proxy.requests(Flow::Delay(Duration::from_secs(3600)));
    let request = lab.proxy.next_request("alpha");
    let call = tokio::spawn(set(client, "alpha"));
    request.held().await;
    lab.proxy.pass();
    assert_eq!(call.await.unwrap(), Ok(Value::Okay));
}

#[tokio::test(start_paused = true)]
async fn events_can_be_awaited_while_the_tests_own_clock_is_paused() {
    let lab = Lab::new();
    let request = lab.proxy.next_request("alpha");
    lab.proxy.requests_containing("alpha", Flow::Hold);
    let url = lab.proxy.url();
    let call = std::thread::spawn(move || {
        let mut client = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("SET")
            .arg("alpha")
            .arg("v")
            .query::<Value>(&mut client)
    });
    request.held().await;
    lab.proxy.pass();
    assert_eq!(call.join().unwrap(), Ok(Value::Okay));
}

#[tokio::test]
async fn new_connections_are_refused_or_led_elsewhere() {
    let lab = Lab::new();
    let other = RedisServer::start(&ServerOptions::new()).unwrap();
    lab.proxy.refuse(true);
    let client = redis::Client::open(lab.proxy.url()).unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_err());
    lab.proxy.refuse(false);
    lab.proxy.redirect(other.port());
    assert_eq!(set(lab.client().await, "alpha").await, Ok(Value::Okay));
    assert_eq!(
        (lab.on_server("alpha"), other.command(&["GET", "alpha"])),
        (Value::Nil, text("v"))
    );
}

#[test]
fn debug_output_shows_commands_and_no_arguments() {
    let message = Message {
        connection: 1,
        way: Way::Request,
        bytes: b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n".into(),
        request: None,
        held: true,
        fate: Fate::Waiting,
        arrived: Instant::now(),
    };
    assert_eq!(
        format!("{message:?}"),
        "#1 Request AUTH, 27 bytes, Waiting, waited"
    );
}
