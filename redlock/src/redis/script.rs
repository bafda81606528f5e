//! The Lua scripts, and the commands that run them.

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

impl Scripts {
    pub(super) fn new(settings: &Settings) -> Self {
        let (guarded, fencing) = (settings.restart_guard, settings.fencing);
        let recorded = settings.keeps_record();
        let strict = settings.strict_identity;
        let modes = |watching: bool| {
            format!(
                "local guarded, strict, fencing, watching = {guarded}, {strict}, {fencing}, {watching}\n"
            )
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
        let slow = include_str!("scripts/acquire.lua");
        let free = include_str!("scripts/acquire_free.lua");
        let guarded_script = |code: &str| Script::new(format!("local guarded = {guarded}\n{code}"));
        Self {
            acquire: recorded.then(|| Script::new(modes(false) + &constants + free + slow)),
            watch: Script::new(modes(true) + slow),
            publish: Script::new(include_str!("scripts/publish.lua").into()),
            extend: Script::new(format!(
                "local recorded, fencing, settings = {recorded}, {fencing}, '{settings}'\n{}",
                include_str!("scripts/extend.lua")
            )),
            release: Script::new(include_str!("scripts/release.lua").into()),
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
            Verb::Acquire { ttl, proposal, .. } => match &self.acquire {
                Some(script) => {
                    let mut cmd = script.call(whole, 1);
                    cmd.arg(key).arg(owner).arg(millis(ttl));
                    cmd.arg(identity).arg(standing.proof);
                    if self.fencing {
                        let seen = standing.seen.get(&request.lock.stripe()).copied();
                        cmd.arg(field()).arg(proposal).arg(seen.unwrap_or_default());
                    }
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
            .chain([&self.publish, &self.extend, &self.release])
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
