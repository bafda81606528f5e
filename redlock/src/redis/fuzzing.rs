//! What the fuzz target in `redlock/fuzz` reaches of the code that reads replies. No part of the API.

use std::time::Duration;

use redis::Value;

use super::{
    info::read_info,
    reply::{Context, is_noscript, is_set_back, read_quarantine, read_reply, shape, split},
};
use crate::{
    node::Verb,
    protocol::{Answer, Quorum},
    settings::Settings,
};

/// A call and the settings of the cluster that makes it, from eight bits.
#[derive(Clone, Debug)]
pub struct Asked {
    verb: Verb,
    settings: Settings,
}

impl Asked {
    /// Two bits for the verb, one each for fencing and the restart guard.
    pub fn new(bits: u8) -> Self {
        let ttl = Duration::from_secs(10);
        let verb = match bits & 3 {
            0 => Verb::Acquire {
                ttl,
                proposal: 1,
                expires: Duration::MAX,
            },
            1 => Verb::Publish { counter: 1 },
            2 => Verb::Extend { ttl, counter: 1 },
            _ => Verb::Release {
                give_up: Duration::MAX,
            },
        };
        let settings = Settings {
            quorum: Quorum::majority(3),
            max_ttl: Duration::from_secs(30),
            prefix: "redlock".into(),
            stripes: 4,
            fencing: bits & 4 > 0,
            restart_guard: bits & 8 > 0,
            strict_identity: false,
        };
        Self { verb, settings }
    }

    /// Whether the cluster's nodes keep a guard record.
    pub fn keeps_record(&self) -> bool {
        self.settings.keeps_record()
    }

    /// Whether the cluster's nodes count.
    pub const fn is_fenced(&self) -> bool {
        self.settings.fencing
    }

    /// Whether it is an acquire call.
    pub const fn is_acquire(&self) -> bool {
        matches!(self.verb, Verb::Acquire { .. })
    }

    /// Reads a reply in every way in which the node's task looks at one.
    pub fn read(&self, reply: &Value) -> Answer {
        let context = Context {
            settings: &self.settings,
            same_identity: true,
        };
        let _ = (is_noscript(reply), is_set_back(reply), shape(reply));
        let _ = read_quarantine(reply);
        if let Value::BulkString(bytes) = reply
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            let _ = read_info(text, text, text, false);
        }
        read_reply(&self.verb, &context, reply)
    }

    /// Reads a reply as that to `calls` of these in one command.
    pub fn read_pack(&self, reply: &Value, calls: usize) -> Vec<Answer> {
        let replies = split(Some(reply.clone()), calls);
        replies.iter().map(|reply| self.read(reply)).collect()
    }
}
