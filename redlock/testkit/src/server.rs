//! One redis-server process.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::RedisError;
use tempfile::TempDir;

use crate::options::quoted;
use crate::port::PortClaim;
use crate::process::Process;
use crate::tls::TlsFiles;
use crate::{Error, ServerOptions};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(20);
/// How long a command of a test may take: long enough for a busy machine, short enough for a server that hangs on purpose.
const COMMAND: Duration = Duration::from_secs(5);
/// How often a start is tried when somebody else took the port between our look and the server's bind.
const ATTEMPTS: usize = 5;

/// A real redis-server on a loopback port and in a temporary folder of its own, for as long as this value lives: dropping it
/// kills the process, stopped or not, and removes the folder. When the test process dies without dropping anything, a guard
/// still kills the server and removes the folder.
///
/// All methods block, for milliseconds as long as the server answers, and all take `&self`, so that one task may break a
/// server that others use.
#[derive(Debug)]
pub struct RedisServer {
    options: ServerOptions,
    program: PathBuf,
    version: (u32, u32),
    port: PortClaim,
    tls: Option<(PortClaim, TlsFiles)>,
    // Dropped before the folder, in which the process writes.
    process: Mutex<Option<Process>>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When the program is missing, refuses its configuration or does not answer; the message holds the end of its log.
    pub fn start(options: &ServerOptions) -> Result<Self, Error> {
        let version = options.binary.version()?;
        let mut attempt = 1;
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix("redlock-testkit-");
            let folder = match &options.parent {
                Some(parent) => builder.tempdir_in(parent),
                None => builder.tempdir(),
            };
            let folder = folder.map_err(Error::system("making a temporary folder"))?;
            let tls = match options.tls {
                Some(kind) => Some((
                    PortClaim::new()?,
                    TlsFiles::create(folder.path().join("tls"), kind)?,
                )),
                None => None,
            };
            let server = Self {
                options: options.clone(),
                program: options.binary.path(),
                version,
                port: PortClaim::new()?,
                tls,
                process: Mutex::new(None),
                folder,
            };
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) if attempt < ATTEMPTS && port_was_taken(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The address as a Redis URL, without the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }

    /// The address as a Redis URL, with the password when there is one. It must consist of characters that need no escape.
    #[must_use]
    pub fn url_with_password(&self) -> String {
        let secret = self
            .options
            .password
            .as_ref()
            .map_or(String::new(), |password| format!(":{password}@"));
        format!("redis://{secret}127.0.0.1:{}/", self.port())
    }

    /// The port; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// The port for TLS, when there is one.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.tls.as_ref().map(|(port, _)| port.port())
    }

    /// The address for TLS as a Redis URL, when there is one. It names `localhost`, for which valid certificates are made.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls_port()
            .map(|port| format!("rediss://localhost:{port}/"))
    }

    /// The file with the certificate of the authority that signed the server's, when it speaks TLS. A client that asks
    /// the operating system for its authorities takes this one when `SSL_CERT_FILE` names the file as that client starts.
    #[must_use]
    pub fn tls_authority(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|(_, files)| files.authority())
    }

    /// The address of its Unix socket as a Redis URL, when there is one.
    #[must_use]
    pub fn unix_url(&self) -> Option<String> {
        self.options
            .unix_socket
            .then(|| format!("unix://{}", self.socket().display()))
    }

    /// The program's major and minor version.
    #[must_use]
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The server's folder: `redis.conf`, `redis.log`, and its files in `data`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Whether the process exists, stopped or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process().as_ref().is_some_and(Process::is_alive)
    }

    /// Freezes the process (SIGSTOP) and returns once it stands still: it keeps its connections, the kernel still accepts new
    /// ones, and nothing is answered until [`cont`](Self::cont).
    ///
    /// # Panics
    /// When the server is not running.
    #[track_caller]
    pub fn stop(&self) {
        self.on_process(Process::stop);
    }

    /// Lets a frozen process run again (SIGCONT).
    ///
    /// # Panics
    /// When the server is not running.
    #[track_caller]
    pub fn cont(&self) {
        self.on_process(Process::cont);
    }

    /// Kills the process (SIGKILL) and reaps it. Nothing happens when it is down already.
    pub fn kill(&self) {
        drop(self.process().take());
    }

    /// Ends the process as an operator would (SIGTERM), so that it may save what it is configured to save.
    ///
    /// # Panics
    /// When the server is not running.
    #[track_caller]
    pub fn terminate(&self) {
        let process = self.process().take();
        process
            .ok_or(Error::NotRunning(self.port()))
            .and_then(Process::terminate)
            .expect("a server can be ended");
    }

    /// Kills the server when it runs, and starts it again with the same port and folder. What it had persisted comes back;
    /// by default that is nothing.
    ///
    /// # Errors
    /// When it does not answer again.
    pub fn restart(&self) -> Result<(), Error> {
        let mut slot = self.process();
        *slot = None;
        let output = self.prepare()?;
        let process = Process::spawn(
            &self.program,
            &[&self.config_file()],
            &output,
            self.folder(),
        )?;
        // From here on an error kills the process by dropping it.
        self.await_ready(&process)?;
        *slot = Some(process);
        Ok(())
    }

    /// Kills the server when it runs, removes everything it persisted, and starts it again with the same port.
    ///
    /// # Errors
    /// When its files cannot be removed, or it does not answer again.
    pub fn restart_empty(&self) -> Result<(), Error> {
        self.kill();
        fs::remove_dir_all(self.folder().join("data"))
            .map_err(Error::system("removing the server's data"))?;
        self.restart()
    }

    /// Sends one command over a connection of its own and returns the reply.
    ///
    /// # Panics
    /// When the reply is an error or does not come within seconds: see [`try_command`](Self::try_command).
    #[track_caller]
    pub fn command<A: AsRef<[u8]>>(&self, words: &[A]) -> redis::Value {
        self.try_command(words)
            .expect("the server answers the test's command")
    }

    /// Sends one command over a connection of its own and returns the reply.
    ///
    /// # Errors
    /// When the reply is an error or does not come within seconds.
    pub fn try_command<A: AsRef<[u8]>>(&self, words: &[A]) -> Result<redis::Value, Error> {
        let name = words
            .first()
            .map(|word| String::from_utf8_lossy(word.as_ref()).into_owned());
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        self.ask(&command, COMMAND)
            .map_err(|source| Error::Command {
                command: name.unwrap_or_default(),
                port: self.port(),
                source,
            })
    }

    /// One field of INFO, as the server writes it.
    ///
    /// # Panics
    /// When the server does not answer.
    #[track_caller]
    #[must_use]
    pub fn info(&self, field: &str) -> Option<String> {
        let text: String = redis::from_redis_value(self.command(&["INFO"])).expect("INFO is text");
        info_field(&text, field).map(String::from)
    }

    /// The end of the server's log and of what it printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let files = ["redis.log", "output"]
            .map(|name| fs::read(self.folder().join(name)).unwrap_or_default());
        let text = files
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// A poisoned lock still guards a process that can be killed.
    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn on_process(&self, act: fn(&Process) -> Result<(), Error>) {
        let slot = self.process();
        let result = slot
            .as_ref()
            .filter(|process| process.is_alive())
            .map_or(Err(Error::NotRunning(self.port())), act);
        drop(slot);
        result.expect("a running server can be stopped and continued");
    }

    fn socket(&self) -> PathBuf {
        self.folder().join("redis.sock")
    }

    fn config_file(&self) -> PathBuf {
        self.folder().join("redis.conf")
    }

    /// Writes the configuration, makes the data folder, and opens the file for what the process prints. The password stands
    /// in a file of a private folder, not on a command line that everybody can list.
    fn prepare(&self) -> Result<File, Error> {
        let data = self.folder().join("data");
        fs::create_dir_all(&data).map_err(Error::system("making the data folder"))?;
        let mut lines = vec![
            format!("port {}", self.port()),
            format!("dir {}", quoted(&data.to_string_lossy())),
            format!(
                "logfile {}",
                quoted(&self.folder().join("redis.log").to_string_lossy())
            ),
        ];
        if let Some((port, files)) = &self.tls {
            lines.extend(files.lines(port.port()));
        }
        if self.options.unix_socket {
            lines.push(format!(
                "unixsocket {}",
                quoted(&self.socket().to_string_lossy())
            ));
        }
        lines.extend(self.options.lines(self.version));
        fs::write(self.config_file(), lines.join("\n") + "\n")
            .map_err(Error::system("writing redis.conf"))?;
        let output = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.folder().join("output"));
        output.map_err(Error::system("opening the output file"))
    }

    /// Waits until our process answers. The port alone proves nothing: somebody else's server may sit on it.
    fn await_ready(&self, process: &Process) -> Result<(), Error> {
        let not_ready = |what: String| Error::NotReady {
            port: self.port(),
            what,
            log: self.log_tail(),
        };
        let started = Instant::now();
        let mut last = String::from("nothing was tried");
        while started.elapsed() < START {
            if !process.is_alive() {
                return Err(not_ready("ended".into()));
            }
            match self.answers_as(process.id()) {
                Ok(true) => return Ok(()),
                Ok(false) => last = "another process answers on its port, or it still loads".into(),
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        Err(not_ready(format!(
            "did not answer within {START:?} ({last})"
        )))
    }

    /// Whether the server on our port is this process and has loaded its data; INFO is answered before that. Errors of
    /// permission are an answer too: a test may set up users that do not let us ask.
    fn answers_as(&self, pid: u32) -> Result<bool, RedisError> {
        match self.ask(&redis::cmd("INFO"), Duration::from_millis(250)) {
            Ok(reply) => {
                let text: String = redis::from_redis_value(reply)?;
                let is = |field, value: &str| info_field(&text, field) == Some(value);
                Ok(is("process_id", &pid.to_string()) && is("loading", "0"))
            }
            Err(error) if matches!(error.code(), Some("NOAUTH" | "NOPERM" | "WRONGPASS")) => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn ask(&self, command: &redis::Cmd, within: Duration) -> Result<redis::Value, RedisError> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(within)?;
        connection.set_read_timeout(Some(within))?;
        connection.set_write_timeout(Some(within))?;
        if let Some(password) = &self.options.password {
            redis::cmd("AUTH").arg(password).exec(&mut connection)?;
        }
        command.query(&mut connection)
    }
}

/// The value of a line `field:value`.
fn info_field<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .map(str::trim_end)
}

fn port_was_taken(error: &Error) -> bool {
    matches!(error, Error::NotReady { log, .. } if log.contains("Address already in use"))
}

#[cfg(test)]
mod tests;
