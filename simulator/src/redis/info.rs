//! INFO: the fields that clients and operators look at.

use std::fmt::Write as _;

use super::{config::Persistence, state::State};

/// The sections that INFO shows unless asked for others.
const DEFAULT: [&str; 7] = [
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "keyspace",
];

/// The text of the sections, in Redis' order whatever the order asked for.
pub(super) fn text(state: &State, wanted: &[String]) -> String {
    let all = wanted.is_empty()
        || wanted
            .iter()
            .any(|name| matches!(&**name, "all" | "default" | "everything"));
    let sections = DEFAULT
        .iter()
        .filter(|name| all || wanted.iter().any(|wanted| wanted == *name));
    let sections: Vec<_> = sections.map(|name| section(state, name)).collect();
    sections.join("\r\n")
}

fn section(state: &State, name: &str) -> String {
    let (title, fields) = match name {
        "server" => ("Server", server(state)),
        "clients" => ("Clients", clients(state)),
        "memory" => ("Memory", memory(state)),
        "persistence" => ("Persistence", persistence(state)),
        "stats" => ("Stats", stats(state)),
        "replication" => ("Replication", replication(state)),
        _ => ("Keyspace", keyspace(state)),
    };
    let mut text = format!("# {title}\r\n");
    for (field, value) in fields {
        // Writing to a string cannot fail.
        let _ = write!(text, "{field}:{value}\r\n");
    }
    text
}

type Fields = Vec<(&'static str, String)>;

fn server(state: &State) -> Fields {
    let now = state.now;
    let uptime = now.wall_us.saturating_sub(state.started_us) / 1_000_000;
    vec![
        ("redis_version", state.config.version.to_string()),
        ("redis_mode", "standalone".into()),
        ("os", "Linux simulated x86_64".into()),
        ("arch_bits", "64".into()),
        ("process_id", "1".into()),
        ("run_id", state.run_id.clone()),
        ("tcp_port", "6379".into()),
        ("server_time_usec", now.wall_us.to_string()),
        ("uptime_in_seconds", uptime.to_string()),
        ("uptime_in_days", (uptime / 86_400).to_string()),
        ("hz", "10".into()),
        ("configured_hz", "10".into()),
    ]
}

fn clients(state: &State) -> Fields {
    vec![
        ("connected_clients", state.clients.len().to_string()),
        ("maxclients", "10000".into()),
        ("blocked_clients", "0".into()),
    ]
}

fn memory(state: &State) -> Fields {
    vec![
        ("used_memory", state.used_memory().to_string()),
        ("number_of_cached_scripts", state.scripts.len().to_string()),
        ("maxmemory", state.config.maxmemory.to_string()),
        (
            "maxmemory_policy",
            state.config.maxmemory_policy.name().into(),
        ),
    ]
}

fn persistence(state: &State) -> Fields {
    let aof = state.config.persistence.appends();
    let mut fields = vec![
        ("loading", "0".into()),
        ("rdb_changes_since_last_save", state.dirty.to_string()),
        ("rdb_bgsave_in_progress", "0".into()),
        ("rdb_last_save_time", state.last_save_s.to_string()),
        ("rdb_last_bgsave_status", "ok".into()),
        ("aof_enabled", u8::from(aof).to_string()),
        ("aof_rewrite_in_progress", "0".into()),
        ("aof_last_write_status", "ok".into()),
    ];
    if aof {
        let pending =
            state.config.persistence == Persistence::AofEverysec && state.disk.has_buffered();
        fields.push(("aof_pending_bio_fsync", u8::from(pending).to_string()));
    }
    fields
}

fn stats(state: &State) -> Fields {
    vec![
        (
            "total_commands_processed",
            state.commands_processed.to_string(),
        ),
        ("expired_keys", state.expired_keys.to_string()),
        ("evicted_keys", state.evicted_keys.to_string()),
    ]
}

fn replication(state: &State) -> Fields {
    let config = &state.config;
    let mut fields = vec![(
        "role",
        if config.replica { "slave" } else { "master" }.to_owned(),
    )];
    if config.replica {
        fields.extend([
            ("master_host", "127.0.0.1".into()),
            ("master_port", "6379".into()),
            ("master_link_status", "up".into()),
            ("slave_read_only", "1".into()),
        ]);
    }
    fields.extend([
        ("connected_slaves", config.attached_replicas.to_string()),
        ("master_failover_state", "no-failover".into()),
        ("master_replid", state.replication_id.clone()),
        ("master_replid2", "0".repeat(40)),
        ("master_repl_offset", "0".into()),
        ("second_repl_offset", "-1".into()),
    ]);
    fields
}

fn keyspace(state: &State) -> Fields {
    // Empty databases are not shown.
    const NAMES: [&str; super::db::DATABASES] = [
        "db0", "db1", "db2", "db3", "db4", "db5", "db6", "db7", "db8", "db9", "db10", "db11",
        "db12", "db13", "db14", "db15",
    ];
    let shown = NAMES
        .iter()
        .enumerate()
        .filter(|(db, _)| state.data.len(*db) > 0);
    let fields = shown.map(|(db, name)| {
        let keys = state.data.keys(db);
        let expires = keys
            .filter(|(_, entry)| entry.expires_at_ms.is_some())
            .count();
        (
            *name,
            format!("keys={},expires={expires},avg_ttl=0", state.data.len(db)),
        )
    });
    fields.collect()
}
