//! The servers themselves: what a test may rely on when it breaks one.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use redis::Value;

use super::*;
use crate::{AppendFsync, Binary, RedisCluster};

fn ok() -> Value {
    Value::Okay
}

fn text(value: &str) -> Value {
    Value::BulkString(value.into())
}

/// Whether a process exists and is not a zombie.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn starts_answers_and_leaves_nothing_behind() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
    assert_eq!(server.command(&["SET", "k", "v"]), ok());
    assert_eq!(server.command(&["GET", "k"]), text("v"));
    assert_eq!(server.info("process_id"), Some(pid.to_string()));
    assert_eq!(server.info("redis_mode").as_deref(), Some("standalone"));
    drop(server);
    assert!(!lives(pid) && !folder.exists());
}

#[test]
fn a_servers_folder_lies_where_it_was_asked_to() {
    let parent = tempfile::tempdir().unwrap();
    let options = ServerOptions::new().parent_folder(parent.path());
    let server = RedisServer::start(&options).unwrap();
    assert_eq!(server.folder().parent(), Some(parent.path()));
    drop(server);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn a_stopped_server_is_silent_and_comes_back_with_its_data() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let pid = server.pid();
    server.command(&["SET", "k", "v"]);
    server.stop();
    assert!(
        server
            .ask(&redis::cmd("PING"), Duration::from_millis(50))
            .unwrap_err()
            .is_timeout()
    );
    assert!(server.is_running());
    server.cont();
    assert_eq!(server.command(&["GET", "k"]), text("v"));
    assert_eq!(server.pid(), pid);
}

#[test]
fn a_stopped_server_is_killed_on_drop_too() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let pid = server.pid().unwrap();
    server.stop();
    drop(server);
    assert!(!lives(pid));
}

#[test]
fn a_killed_server_refuses_and_restarts_empty_on_its_port() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let (url, run_id) = (server.url(), server.info("run_id"));
    server.command(&["SET", "k", "v"]);
    server.kill();
    assert!(!server.is_running() && server.pid().is_none());
    assert!(
        matches!(server.try_command(&["PING"]), Err(Error::Command { source, .. }) if source.is_connection_refusal())
    );
    server.kill();
    server.restart().unwrap();
    assert_eq!(server.command(&["GET", "k"]), Value::Nil);
    assert_eq!(server.url(), url);
    assert_ne!(server.info("run_id"), run_id);
}

#[test]
fn an_append_only_file_survives_a_kill_but_not_a_wipe() {
    let server =
        RedisServer::start(&ServerOptions::new().append_only(AppendFsync::Always)).unwrap();
    server.command(&["SET", "k", "v"]);
    server.restart().unwrap();
    assert_eq!(server.command(&["GET", "k"]), text("v"));
    server.terminate();
    assert!(!server.is_running());
    server.restart_empty().unwrap();
    assert_eq!(server.command(&["GET", "k"]), Value::Nil);
}

#[test]
fn a_password_is_demanded_and_used() {
    let server = RedisServer::start(&ServerOptions::new().password("open \"sesame\"")).unwrap();
    assert_eq!(server.command(&["SET", "k", "v"]), ok());
    let mut stranger = redis::Client::open(server.url())
        .unwrap()
        .get_connection()
        .unwrap();
    assert_eq!(
        redis::cmd("GET")
            .arg("k")
            .query::<Value>(&mut stranger)
            .unwrap_err()
            .code(),
        Some("NOAUTH")
    );
    assert!(!format!("{server:?}").contains("sesame"));
}

#[test]
fn a_unix_socket_leads_to_the_same_server_also_after_a_kill() {
    let server = RedisServer::start(&ServerOptions::new().unix_socket()).unwrap();
    server.restart().unwrap();
    server.command(&["SET", "k", "v"]);
    let client = redis::Client::open(server.unix_url().unwrap()).unwrap();
    let value = redis::cmd("GET")
        .arg("k")
        .query::<Value>(&mut client.get_connection().unwrap());
    assert_eq!(value, Ok(text("v")));
}

#[test]
fn an_error_reply_is_an_error() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    server.command(&["SET", "k", "v"]);
    let error = server.try_command(&["INCR", "k"]).unwrap_err().to_string();
    assert!(
        error.starts_with("INCR on port") && error.contains("not an integer"),
        "{error}"
    );
}

#[test]
fn own_configuration_and_the_debug_command_work() {
    let server =
        RedisServer::start(&ServerOptions::new().config("maxmemory-policy", "allkeys-lru"))
            .unwrap();
    assert_eq!(
        server.info("maxmemory_policy").as_deref(),
        Some("allkeys-lru")
    );
    assert_eq!(server.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), ok());
}

#[test]
fn a_refused_configuration_shows_the_servers_own_words() {
    let error = RedisServer::start(&ServerOptions::new().config("no-such-directive", "1"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ended") && error.contains("no-such-directive"),
        "{error}"
    );
}

#[test]
fn a_port_taken_by_another_is_seen_and_reported() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    server.kill();
    let _other = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let error = server.restart().unwrap_err();
    assert!(port_was_taken(&error), "{error}");
}

#[test]
fn the_oldest_supported_version_starts_as_well() {
    let Some(binary) = Binary::redis_6_2() else {
        return;
    };
    let server = RedisServer::start(&ServerOptions::new().binary(binary).password("p")).unwrap();
    assert_eq!(server.version(), (6, 2));
    assert_eq!(server.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), ok());
}

#[test]
fn the_servers_of_a_cluster_are_independent() {
    let cluster = RedisCluster::start(3, &ServerOptions::new()).unwrap();
    assert_eq!(cluster.len(), 3);
    let run_ids: std::collections::BTreeSet<_> =
        cluster.iter().map(|server| server.info("run_id")).collect();
    assert_eq!(run_ids.len(), 3);
    cluster[1].kill();
    assert_eq!(
        cluster
            .iter()
            .map(RedisServer::is_running)
            .collect::<Vec<_>>(),
        [true, false, true]
    );
}

/// The test binary runs itself as a child that starts a server, tells its process id, and is killed without a chance to
/// clean up. The server must be gone soon afterwards, stopped or not.
#[test]
fn a_server_dies_with_the_process_that_started_it() {
    const ROLE: &str = "REDLOCK_TESTKIT_ORPHAN";
    const NAME: &str = "server::tests::a_server_dies_with_the_process_that_started_it";
    if let Ok(note) = std::env::var(ROLE) {
        let servers = RedisCluster::start(2, &ServerOptions::new()).unwrap();
        servers[1].stop();
        let pids: Vec<_> = servers
            .iter()
            .map(|server| server.pid().unwrap().to_string())
            .collect();
        fs::write(format!("{note}.part"), pids.join(" ")).unwrap();
        fs::rename(format!("{note}.part"), note).unwrap();
        loop {
            std::thread::park();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pids");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(ROLE, &note)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the child has started its servers", || note.exists());
    let pids: Vec<u32> = fs::read_to_string(&note)
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.iter().all(|&pid| lives(pid)));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("both servers are gone", || {
        !pids.iter().any(|&pid| lives(pid))
    });
    // The folder that the test harness and the note share, and nothing of the servers.
    let left = || fs::read_dir(folder.path()).unwrap().count();
    wait_until("their folders are gone", || left() == 1);
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "still not: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
