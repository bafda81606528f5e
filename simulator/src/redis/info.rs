//! INFO: the fields that clients and operators look at.

use std::{borrow::Cow, fmt::Write as _};

use super::{config::Persistence, replication::MasterLink, state::State};

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

type Fields = Vec<(Cow<'static, str>, String)>;

/// What Redis keeps of the stream (`repl-backlog-size`); here only said.
const BACKLOG: u64 = 1_048_576;

fn named<const N: usize>(fields: [(&'static str, String); N]) -> Fields {
    let fields = fields.into_iter();
    fields.map(|(name, value)| (name.into(), value)).collect()
}

fn server(state: &State) -> Fields {
    let now = state.now;
    let uptime = now.wall_us.saturating_sub(state.started_us) / 1_000_000;
    named([
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
    ])
}

fn clients(state: &State) -> Fields {
    let clients = state.clients.len();
    let clients = clients.saturating_sub(state.replication.online().count());
    named([
        ("connected_clients", clients.to_string()),
        ("maxclients", "10000".into()),
        ("blocked_clients", "0".into()),
    ])
}

fn memory(state: &State) -> Fields {
    named([
        ("used_memory", state.used_memory().to_string()),
        ("number_of_cached_scripts", state.scripts.len().to_string()),
        ("maxmemory", state.config.maxmemory.to_string()),
        (
            "maxmemory_policy",
            state.config.maxmemory_policy.name().into(),
        ),
    ])
}

fn persistence(state: &State) -> Fields {
    let aof = state.config.persistence.appends();
    let mut fields = named([
        ("loading", "0".into()),
        ("rdb_changes_since_last_save", state.dirty.to_string()),
        ("rdb_bgsave_in_progress", "0".into()),
        ("rdb_last_save_time", state.last_save_s.to_string()),
        ("rdb_last_bgsave_status", "ok".into()),
        ("aof_enabled", u8::from(aof).to_string()),
        ("aof_rewrite_in_progress", "0".into()),
        ("aof_last_write_status", "ok".into()),
    ]);
    if aof {
        let pending =
            state.config.persistence == Persistence::AofEverysec && state.disk.has_buffered();
        fields.push((
            "aof_pending_bio_fsync".into(),
            u8::from(pending).to_string(),
        ));
    }
    fields
}

fn stats(state: &State) -> Fields {
    named([
        (
            "total_commands_processed",
            state.commands_processed.to_string(),
        ),
        ("expired_keys", state.expired_keys.to_string()),
        ("evicted_keys", state.evicted_keys.to_string()),
    ])
}

fn replication(state: &State) -> Fields {
    let (config, replication) = (&state.config, &state.replication);
    let role = if state.is_replica() {
        "slave"
    } else {
        "master"
    };
    let mut fields: Fields = vec![("role".into(), role.to_owned())];
    let mut add = |name: &'static str, value: String| fields.push((name.into(), value));
    if let Some(master) = &replication.master {
        let is_up = replication.link == MasterLink::Connected;
        let since = |us: u64| state.now.monotonic_us.saturating_sub(us) / 1_000_000;
        let heard = is_up.then(|| since(replication.heard_us).to_string());
        let is_syncing = replication.link == MasterLink::Sync;
        add("master_host", master.host.clone());
        add("master_port", master.port.to_string());
        add(
            "master_link_status",
            if is_up { "up" } else { "down" }.into(),
        );
        add("master_last_io_seconds_ago", heard.unwrap_or("-1".into()));
        add("master_sync_in_progress", u8::from(is_syncing).to_string());
        if config.version.is_7() {
            add("slave_read_repl_offset", replication.offset.to_string());
        }
        add("slave_repl_offset", replication.offset.to_string());
        if !is_up {
            let down = since(replication.down_since_us);
            add("master_link_down_since_seconds", down.to_string());
        }
        add("slave_priority", "100".into());
        add("slave_read_only", "1".into());
        add("replica_announced", "1".into());
    } else if config.replica {
        add("master_host", "127.0.0.1".into());
        add("master_port", "6379".into());
        add("master_link_status", "up".into());
        add("slave_read_only", "1".into());
    }
    let attached = u32::try_from(replication.online().count()).unwrap_or(u32::MAX);
    let attached = attached.saturating_add(config.attached_replicas);
    add("connected_slaves", attached.to_string());
    for (index, replica) in replication.online().enumerate() {
        let lag = state.now.monotonic_us.saturating_sub(replica.heard_us) / 1_000_000;
        let value = format!(
            "ip={},port={},state=online,offset={},lag={lag}",
            replica.address, replica.port, replica.acknowledged
        );
        fields.push((format!("slave{index}").into(), value));
    }
    let never = ("0".repeat(40), "-1".to_owned());
    let inherited = replication.inherited.as_ref();
    let (old, until) = inherited.map_or(never, |(id, until)| (id.clone(), until.to_string()));
    let backlog = replication.backlog;
    let length = replication.offset.min(BACKLOG);
    let first = if backlog {
        replication.offset - length + 1
    } else {
        0
    };
    let rest: [(&'static str, String); 9] = [
        ("master_failover_state", "no-failover".into()),
        ("master_replid", state.replication_id.clone()),
        ("master_replid2", old),
        ("master_repl_offset", replication.offset.to_string()),
        ("second_repl_offset", until),
        ("repl_backlog_active", u8::from(backlog).to_string()),
        ("repl_backlog_size", BACKLOG.to_string()),
        ("repl_backlog_first_byte_offset", first.to_string()),
        ("repl_backlog_histlen", length.to_string()),
    ];
    fields.extend(rest.map(|(name, value)| (name.into(), value)));
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
            Cow::Borrowed(*name),
            format!("keys={},expires={expires},avg_ttl=0", state.data.len(db)),
        )
    });
    fields.collect()
}
