//! The Lua scripts, and the commands that run them.

use std::borrow::Cow;

use redis::{Cmd, Pipeline};

use super::inspect::Standing;
use crate::{
    node::{Request, Verb},
    protocol::key::{guard_key, quarantine_key},
    settings::Settings,
};

/// One script in the mode of this cluster.
pub(super) struct Script {
    code: String,
    sha: String,
}

impl Script {
    fn new(code: String) -> Self {
        let sha = redis::Script::new(&code).get_hash().to_owned();
        Self { code, sha }
    }

    /// EVALSHA, or EVAL with the `whole` script.
    fn call(&self, whole: bool, keys: usize) -> Cmd {
        let text = if whole { &self.code } else { &self.sha };
        let mut cmd = Cmd::with_capacity(12, 512);
        cmd.arg(if whole { "EVAL" } else { "EVALSHA" })
            .arg(text)
            .arg(keys);
        cmd
    }
}

/// All scripts of a cluster, and the keys and settings that go with them.
pub(super) struct Scripts {
    /// `None`: plain SET, because the cluster keeps no guard record.
    acquire: Option<Script>,
    /// Several releases, and acquisitions where `acquire` is a script.
    many: Script,
    publish: Script,
    extend: Script,
    release: Script,
    watch: Script,
    look: Script,
    admit: Script,
    replace: Script,
    guard: String,
    quarantine: String,
    settings: String,
    fencing: bool,
    max_ttl_ms: u64,
}

/// The script as it is, or with what is planted in it.
fn lua(source: &str) -> Cow<'_, str> {
    #[cfg(feature = "planted-bugs")]
    return crate::planted::script(source);
    #[cfg(not(feature = "planted-bugs"))]
    Cow::Borrowed(source)
}

impl Scripts {
    pub(super) fn new(settings: &Settings) -> Self {
        let (guarded, fencing) = (settings.restart_guard, settings.fencing);
        let recorded = settings.keeps_record();
        let strict = settings.strict_identity;
        let modes = |watching: bool| {
            let head = format!(
                "local guarded, strict, fencing, watching = {guarded}, {strict}, {fencing}, {watching}\n"
            );
            lua(&head).into_owned()
        };
        let (guard, quarantine) = (
            guard_key(&settings.prefix),
            quarantine_key(&settings.prefix),
        );
        let (max_ttl_ms, window_us) =
            (millis(settings.max_ttl), micros(settings.proposal_window()));
        // What never differs between calls is part of the script. Lua's `%q` is not needed: a prefix
        // has neither quotes nor backslashes.
        let constants = format!(
            "local guard, quarantine, settings = '{guard}', '{quarantine}', '{settings}'\n\
             local max_ms, window_us = '{max_ttl_ms}', {window_us}\n"
        );
        let slow = &*lua(include_str!("scripts/acquire.lua"));
        let free = &*lua(include_str!("scripts/acquire_free.lua"));
        let many = lua(include_str!("scripts/release_many.lua"));
        let many = if recorded {
            let (head, acquire_many) =
                (modes(false), lua(include_str!("scripts/acquire_many.lua")));
            format!(
                "{head}{constants}local function general(KEYS, ARGV)\n{slow}end\n{many}{acquire_many}"
            )
        } else {
            many.into_owned()
        };
        let guarded_script = |code: &str| Script::new(format!("local guarded = {guarded}\n{code}"));
        Self {
            acquire: recorded.then(|| Script::new(modes(false) + &constants + free + slow)),
            many: Script::new(many + "return answers\n"),
            watch: Script::new(modes(true) + slow),
            publish: Script::new(lua(include_str!("scripts/publish.lua")).into_owned()),
            extend: Script::new(format!(
                "local recorded, fencing, settings = {recorded}, {fencing}, '{settings}'\n{}",
                lua(include_str!("scripts/extend.lua"))
            )),
            release: Script::new(lua(include_str!("scripts/release.lua")).into_owned()),
            look: Script::new(include_str!("scripts/look.lua").into()),
            admit: guarded_script(include_str!("scripts/admit.lua")),
            replace: guarded_script(include_str!("scripts/replace_settings.lua")),
            guard,
            quarantine,
            settings: settings.to_string(),
            fencing,
            max_ttl_ms,
        }
    }

    /// The command for a call on a connection to a server with `identity`.
    pub(super) fn command(
        &self,
        request: &Request,
        identity: &str,
        standing: &Standing<'_>,
        whole: bool,
    ) -> Cmd {
        let owner = request.owner.as_bytes();
        let key = request.lock.key();
        let field = || format!("f{}", request.lock.stripe());
        match request.verb {
            Verb::Acquire { ttl, .. } => match &self.acquire {
                Some(script) => {
                    let mut cmd = script.call(whole, 1);
                    cmd.arg(key).arg(owner).arg(millis(ttl));
                    cmd.arg(identity).arg(standing.proof);
                    self.add_counters(&mut cmd, request, standing);
                    cmd
                }
                None => {
                    let mut cmd = redis::cmd("SET");
                    cmd.arg(key).arg(owner).arg("NX").arg("PX").arg(millis(ttl));
                    cmd
                }
            },
            Verb::Publish { counter } => {
                let mut cmd = self.publish.call(whole, 2);
                cmd.arg(key).arg(&self.guard).arg(owner);
                cmd.arg(field()).arg(counter);
                cmd
            }
            Verb::Extend { ttl, counter } => {
                let mut cmd = self.extend.call(whole, 2);
                cmd.arg(key).arg(&self.guard).arg(owner).arg(millis(ttl));
                cmd.arg(self.max_ttl_ms).arg(field()).arg(counter);
                cmd
            }
            Verb::Release { .. } => {
                let mut cmd = self.release.call(whole, 1);
                cmd.arg(key).arg(owner);
                cmd
            }
        }
    }

    /// What an acquisition says about counters, if the cluster has any.
    fn add_counters(&self, cmd: &mut Cmd, request: &Request, standing: &Standing<'_>) {
        if let Verb::Acquire { proposal, .. } = request.verb
            && self.fencing
        {
            let stripe = request.lock.stripe();
            let seen = standing.seen.get(&stripe).copied();
            cmd.arg(format!("f{stripe}")).arg(proposal);
            cmd.arg(seen.unwrap_or_default());
        }
    }

    /// Whether acquire calls can share a command: they can unless they are plain SETs.
    pub(super) const fn packs_acquires(&self) -> bool {
        self.acquire.is_some()
    }

    /// The command for several calls, releases first. Their answers come in an array, in the same order.
    pub(super) fn pack(&self, calls: &[&Request], identity: &str, standing: &Standing<'_>) -> Cmd {
        let is_release = |request: &&Request| matches!(request.verb, Verb::Release { .. });
        let (releases, acquires) = calls.split_at(calls.partition_point(is_release));
        let mut cmd = Cmd::with_capacity(8 + 6 * calls.len(), 256 * calls.len());
        cmd.arg("EVALSHA").arg(&self.many.sha).arg(calls.len());
        for request in calls {
            cmd.arg(request.lock.key());
        }
        cmd.arg(releases.len());
        for request in releases {
            cmd.arg(request.owner.as_bytes());
        }
        cmd.arg(identity).arg(standing.proof);
        for request in acquires {
            if let Verb::Acquire { ttl, .. } = request.verb {
                cmd.arg(request.owner.as_bytes()).arg(millis(ttl));
                self.add_counters(&mut cmd, request, standing);
            }
        }
        cmd
    }

    fn identify(&self, cmd: &mut Cmd, identity: &str) {
        cmd.arg(&self.settings).arg(self.max_ttl_ms).arg(identity);
    }

    /// Does for the quarantine what an acquisition does, and nothing else: starts it on a server that is
    /// not the admitted one, and ends it with a proof. `known`: the server had a guard record when this
    /// client last looked, so that one without is not new.
    pub(super) fn watch(&self, identity: &str, proof: &str, known: bool, random: &str) -> Cmd {
        let mut cmd = self.watch.call(true, 3);
        cmd.arg(&self.guard).arg(&self.guard).arg(&self.quarantine);
        cmd.arg(random).arg(0);
        self.identify(&mut cmd, identity);
        // No counter is looked at.
        cmd.arg("").arg(0).arg(0);
        cmd.arg(proof).arg(0).arg(u8::from(known));
        cmd
    }

    pub(super) fn look(&self) -> Cmd {
        let mut cmd = self.look.call(true, 2);
        cmd.arg(&self.guard).arg(&self.quarantine);
        cmd
    }

    pub(super) fn admit(&self, identity: &str) -> Cmd {
        let mut cmd = self.admit.call(true, 1);
        cmd.arg(&self.guard).arg(&self.settings);
        cmd.arg(self.max_ttl_ms).arg(identity);
        cmd
    }

    pub(super) fn replace_settings(&self, identity: &str, random: &str) -> Cmd {
        let mut cmd = self.replace.call(true, 2);
        cmd.arg(&self.guard).arg(&self.quarantine);
        cmd.arg(&self.settings).arg(self.max_ttl_ms);
        cmd.arg(identity).arg(random);
        cmd
    }

    /// A script, and its SHA-1, that changes nothing when its one key does not exist.
    pub(super) fn harmless(&self) -> (&str, &str) {
        (&self.release.code, &self.release.sha)
    }

    /// The scripts that calls run by their SHA-1.
    fn loaded(&self) -> impl Iterator<Item = &Script> {
        self.acquire
            .iter()
            .chain([&self.publish, &self.extend, &self.release, &self.many])
    }

    /// How many commands [`Scripts::load`] adds.
    pub(super) fn count(&self) -> usize {
        self.loaded().count()
    }

    pub(super) fn load(&self, pipe: &mut Pipeline) {
        for script in self.loaded() {
            pipe.cmd("SCRIPT").arg("LOAD").arg(&script.code);
        }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
