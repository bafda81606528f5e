//! What a server says about itself in INFO, and whether it can be a node.

use std::sync::Arc;

use crate::protocol::Reason;

/// The oldest version supported.
const OLDEST: (u32, u32) = (6, 2);

/// What INFO said when a connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerInfo {
    pub(super) version: Arc<str>,
    pub(super) run_id: Arc<str>,
    /// `run_id:master_replid`.
    pub(super) identity: Arc<str>,
}

/// Reads `INFO server`, `INFO replication` and `INFO memory`.
pub(super) fn read_info(
    server: &str,
    replication: &str,
    memory: &str,
    allows_replicas: bool,
) -> Result<ServerInfo, Reason> {
    let missing = |field: &str| Reason::Unreadable(format!("INFO has no {field}").into());
    let version = field(server, "redis_version").ok_or_else(|| missing("redis_version"))?;
    let run_id = field(server, "run_id").ok_or_else(|| missing("run_id"))?;
    match field(server, "redis_mode") {
        Some("cluster") => return Err(Reason::ClusterMode),
        Some("sentinel") => return Err(Reason::NotRedis("it is a Sentinel".into())),
        _ => {}
    }
    if !is_recent(version) {
        return Err(Reason::TooOld(version.into()));
    }
    read_memory(memory)?;
    Ok(ServerInfo {
        version: version.into(),
        run_id: run_id.into(),
        identity: read_replication(run_id, replication, allows_replicas)?,
    })
}

/// Reads `INFO replication` of the server with this run id: its identity, if it can be a node.
pub(super) fn read_replication(
    run_id: &str,
    replication: &str,
    allows_replicas: bool,
) -> Result<Arc<str>, Reason> {
    let missing = |field: &str| Reason::Unreadable(format!("INFO has no {field}").into());
    let replid = field(replication, "master_replid").ok_or_else(|| missing("master_replid"))?;
    if field(replication, "role") != Some("master") {
        return Err(Reason::Replica);
    }
    let replicas = field(replication, "connected_slaves").and_then(|text| text.parse().ok());
    match replicas {
        Some(0) => {}
        Some(count) if !allows_replicas => return Err(Reason::HasReplicas(count)),
        None if !allows_replicas => return Err(missing("connected_slaves")),
        _ => {}
    }
    Ok(format!("{run_id}:{replid}").into())
}

/// Reads `INFO memory`: whether the server keeps keys that nobody deletes. One that does not say is
/// believed; the preflight names it.
pub(super) fn read_memory(memory: &str) -> Result<(), Reason> {
    match field(memory, "maxmemory_policy") {
        None | Some("noeviction") => Ok(()),
        Some(policy) => Err(Reason::Evicts(policy.into())),
    }
}

pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key == name && !value.trim().is_empty()).then(|| value.trim())
    })
}

fn is_recent(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLICATION: &str = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:ab\r\nmaster_replid2:00\r\n";

    const MEMORY: &str = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";

    fn server(version: &str, mode: &str) -> String {
        format!("# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\nrun_id:cd\r\n")
    }

    #[test]
    fn an_independent_master_is_a_node() {
        for version in ["6.2.0", "7.0.15", "10.1"] {
            let info =
                read_info(&server(version, "standalone"), REPLICATION, MEMORY, false).unwrap();
            assert_eq!(&*info.identity, "cd:ab");
            assert_eq!(&*info.version, version);
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let refusal =
            |server: &str, replication: &str| read_info(server, replication, MEMORY, false);
        let standalone = server("7.0.0", "standalone");
        assert_eq!(
            refusal(&server("6.0.16", "standalone"), REPLICATION),
            Err(Reason::TooOld("6.0.16".into()))
        );
        assert_eq!(
            refusal(&server("7.0.0", "cluster"), REPLICATION),
            Err(Reason::ClusterMode)
        );
        assert_eq!(
            refusal(&standalone, &REPLICATION.replace("master\r", "slave\r")),
            Err(Reason::Replica)
        );
        let attached = REPLICATION.replace("slaves:0", "slaves:2");
        assert_eq!(refusal(&standalone, &attached), Err(Reason::HasReplicas(2)));
        assert!(read_info(&standalone, &attached, MEMORY, true).is_ok());
        for policy in ["allkeys-lru", "volatile-ttl"] {
            let memory = MEMORY.replace("noeviction", policy);
            assert_eq!(
                read_info(&standalone, REPLICATION, &memory, false),
                Err(Reason::Evicts(policy.into()))
            );
        }
        for text in ["", "run_id:\r\nredis_version:7.0.0", "garbage"] {
            assert!(matches!(
                refusal(text, REPLICATION),
                Err(Reason::Unreadable(_))
            ));
        }
    }
}
