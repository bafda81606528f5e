//! What a proxy knows and what it was told to do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Counts, Cut, Fate, Flow, Message, Way};

/// The state that the proxy's tasks and its user share, and the bell that rings whenever it changes.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    requests: Flow,
    replies: Flow,
    rules: Vec<Rule>,
    pub(super) refuses: bool,
    pub(super) messages: Vec<Message>,
    pub(super) counts: Counts,
    pub(super) open: BTreeMap<u64, Open>,
}

/// An exception for messages that contain, or answer, certain bytes.
#[derive(Debug)]
struct Rule {
    way: Way,
    needle: Vec<u8>,
    flow: Flow,
}

/// A connection that is open on at least one side.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) client: watch::Sender<Option<Cut>>,
    pub(super) server: watch::Sender<Option<Cut>>,
    /// The requests that the server has and has not answered, oldest first.
    unanswered: VecDeque<usize>,
}

impl Shared {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: watch::channel(()).0,
        })
    }

    /// Looks at the state.
    pub(super) fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everybody who waits for something in it.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.read());
        self.changed.send_replace(());
        result
    }

    /// Waits until a look at the state yields something.
    pub(super) async fn wait<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = look(&self.read()) {
                return found;
            }
            // The sender is a field of ours.
            let _ = changed.changed().await;
        }
    }

    /// Enters a message that has just been read.
    pub(super) fn arrive(self: &Arc<Self>, connection: u64, way: Way, bytes: Vec<u8>) -> Ticket {
        let index = self.update(|state| state.arrive(connection, way, bytes));
        Ticket {
            shared: Arc::clone(self),
            index,
            settled: false,
        }
    }
}

impl State {
    pub(super) fn set_flow(&mut self, way: Way, flow: Flow) {
        match way {
            Way::Request => self.requests = flow,
            Way::Reply => self.replies = flow,
        }
    }

    /// The newest rule comes first, so that it wins.
    pub(super) fn add_rule(&mut self, way: Way, needle: Vec<u8>, flow: Flow) {
        self.rules.insert(0, Rule { way, needle, flow });
    }

    pub(super) fn pass_all(&mut self) {
        self.rules.clear();
        (self.requests, self.replies) = (Flow::Pass, Flow::Pass);
    }

    pub(super) fn connect(
        &mut self,
    ) -> (
        u64,
        watch::Receiver<Option<Cut>>,
        watch::Receiver<Option<Cut>>,
    ) {
        self.counts.connections += 1;
        let (client, client_cut) = watch::channel(None);
        let (server, server_cut) = watch::channel(None);
        let connection = self.counts.connections;
        self.open.insert(
            connection,
            Open {
                client,
                server,
                unanswered: VecDeque::new(),
            },
        );
        (connection, client_cut, server_cut)
    }

    fn arrive(&mut self, connection: u64, way: Way, bytes: Vec<u8>) -> usize {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut answers = None;
        match way {
            Way::Request => {
                self.counts.requests += 1;
                self.counts.request_bytes += length;
            }
            Way::Reply => {
                self.counts.replies += 1;
                self.counts.reply_bytes += length;
                if !super::frame::is_push(&bytes) {
                    let open = self.open.get_mut(&connection);
                    answers = open.and_then(|open| open.unanswered.pop_front());
                }
            }
        }
        let request = answers.map(|index| self.messages[index].bytes.clone());
        let arrived = Instant::now();
        self.messages.push(Message {
            connection,
            way,
            bytes,
            request,
            held: false,
            fate: Fate::Waiting,
            arrived,
        });
        self.messages.len() - 1
    }

    /// What shall happen to a message, as the rules stand now.
    fn flow(&self, message: &Message) -> Flow {
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.way == message.way && message.is_about(&rule.needle));
        match (rule, message.way) {
            (Some(rule), _) => rule.flow,
            (None, Way::Request) => self.requests,
            (None, Way::Reply) => self.replies,
        }
    }
}

/// A message on its way through the proxy. One that is dropped on the way is lost, and recorded so.
#[derive(Debug)]
pub(super) struct Ticket {
    shared: Arc<Shared>,
    index: usize,
    settled: bool,
}

impl Ticket {
    /// Waits until the message may go on (true) or shall vanish (false). The rules count as they are when they are looked
    /// at, so a change reaches messages that already wait.
    pub(super) async fn cleared(&self) -> bool {
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (flow, arrived) = {
                let state = self.shared.read();
                let message = &state.messages[self.index];
                (state.flow(message), message.arrived)
            };
            let wait = match flow {
                Flow::Pass => return true,
                Flow::Swallow => return false,
                Flow::Hold => None,
                Flow::Delay(delay) => match delay.checked_sub(arrived.elapsed()) {
                    None | Some(Duration::ZERO) => return true,
                    left => left,
                },
            };
            self.note_waiting();
            let Some(wait) = wait else {
                let _ = changed.changed().await;
                continue;
            };
            tokio::select! {
                biased;
                _ = changed.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Records once that the message had to wait.
    fn note_waiting(&self) {
        if !self.shared.read().messages[self.index].held {
            self.shared
                .update(|state| state.messages[self.index].held = true);
        }
    }

    /// The bytes to write. A request counts as unanswered from here on: its reply may come before the write returns.
    pub(super) fn departing(&self) -> Vec<u8> {
        let mut state = self.shared.read();
        let message = &state.messages[self.index];
        let (connection, way, bytes) = (message.connection, message.way, message.bytes.clone());
        if let (Way::Request, Some(open)) = (way, state.open.get_mut(&connection)) {
            open.unanswered.push_back(self.index);
        }
        bytes
    }

    pub(super) fn settle(mut self, fate: Fate) {
        self.settled = true;
        self.shared
            .update(|state| state.messages[self.index].fate = fate);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.shared
                .update(|state| state.messages[self.index].fate = Fate::Lost);
        }
    }
}
