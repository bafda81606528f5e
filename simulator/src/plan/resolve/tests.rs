use super::*;
use crate::plan::{Hosts, Plan};

fn resolved(fields: &str) -> ResolvedFault {
    let text = format!("[[fault]]\n{fields}\nstart_ms = 0\n");
    let plan = Plan::parse("plan.toml", &text).unwrap();
    let hosts = Hosts::numbered(5, 2);
    resolve(&plan.windows[0].fault, &|role| match role {
        Role::Holder => vec!["client-2".into()],
        Role::QuorumOfHolder => ["node-5", "node-1", "node-2"].map(HostName::from).to_vec(),
        _ => hosts.playing(role).unwrap_or_default(),
    })
}

fn shown(fields: &str) -> Vec<String> {
    let ResolvedFault::Links { links, .. } = resolved(fields) else {
        panic!("{fields}");
    };
    let arrow = |link: &DirectedLink| format!("{}>{}", link.from, link.to);
    links.iter().map(arrow).collect()
}

#[test]
fn links_are_every_pair_in_the_directions_asked_for() {
    let one_way = "kind='cut'\nfrom='holder'\nto='quorum_of(holder)'\ndirection='one_way'";
    assert_eq!(
        shown(one_way),
        ["client-2>node-1", "client-2>node-2", "client-2>node-5"]
    );
    let both = "kind='hold'\nfrom='node-1'\nto=['client-1','holder']";
    assert_eq!(
        shown(both),
        [
            "client-1>node-1",
            "client-2>node-1",
            "node-1>client-1",
            "node-1>client-2"
        ]
    );
    let with_itself = "kind='hold'\nfrom=['clients','node-1']\nto='clients'\ndirection='one_way'";
    assert_eq!(
        shown(with_itself),
        [
            "client-1>client-2",
            "client-2>client-1",
            "node-1>client-1",
            "node-1>client-2"
        ]
    );
    let nobody = "kind='hold'\nfrom='next_waiter'\nto='nodes'";
    assert!(resolved(nobody).is_empty());
}

#[test]
fn a_ring_leaves_each_its_two_neighbours() {
    let five = "kind='ring'\nhosts=['client-1','node-1','client-2','node-2','node-3']";
    assert_eq!(
        shown(five),
        [
            "client-1>client-2",
            "client-1>node-2",
            "client-2>client-1",
            "client-2>node-3",
            "node-1>node-2",
            "node-1>node-3",
            "node-2>client-1",
            "node-2>node-1",
            "node-3>client-2",
            "node-3>node-1",
        ]
    );
    assert!(shown("kind='ring'\nhosts=['client-1','node-1','node-2']").is_empty());
}

#[test]
fn a_bridge_parts_its_sides_and_nobody_else() {
    let bridge = "kind='bridge'\nleft=['client-1','node-1']\nright='client-2'\nbridge='node-2'";
    assert_eq!(
        shown(bridge),
        [
            "client-1>client-2",
            "client-2>client-1",
            "client-2>node-1",
            "node-1>client-2"
        ]
    );
}

#[test]
fn hosts_are_named_in_order() {
    let crash = resolved("kind='crash'\ntarget='quorum_of(holder)'\nlose_data=true");
    let hosts = ["node-1", "node-2", "node-5"].map(HostName::from).to_vec();
    assert_eq!(crash.hosts(), hosts);
    let fault = ProcessFault::Crash { lose_data: true };
    assert_eq!(crash, ResolvedFault::Process { hosts, fault });
}
