//! What the machine shows of the clients that run sessions, where no hook speaks: that somebody answered a question, and
//! that a client is gone.
//!
//! After an approval no hook comes until the tool ends, and a killed client tells nothing. The client itself writes what
//! it does into `sessions/PID.json`, and runs an approved command as a child of its own. Both are looked at closely only
//! while somebody is asked; what neither shows is marked unsure.

pub(super) mod process;
mod registry;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use event::event::{Fact, Outcome, Source, Time};
use event::session::{Need, NeedKind, Session};
use event::summary;
use event::vocabulary::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{Found, Store};
use tokio::task::JoinSet;
use tracing::debug;

use super::transcripts::main_file;
use crate::app::App;
use crate::clock;
use crate::hub::outbox::Next;
use registry::{Registry, Running};

/// How often clients are looked at while somebody is asked.
const LOOK_CLOSELY_EVERY: Duration = Duration::from_millis(50);

/// How often otherwise: only their death is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A question that nothing would show to be answered is marked unsure after so long.
const UNSURE_AFTER_MS: u64 = 10_000;

/// A client that is gone may have told its end by a hook that is still on its way.
const HOOK_ON_ITS_WAY: Duration = Duration::from_millis(1_500);

/// A status that a client wrote so long after a question, or later, is of after its answer: it says "waiting" at once.
const ASKED_BY_MS: i64 = 400;

/// Sessions that are silent for longer are not looked at.
const SILENT_MS: u64 = 24 * 3_600_000;

/// A client that was never seen alive here counts as gone only when its session is silent for so long.
const SILENT_WITHOUT_CLIENT_MS: u64 = 60_000;

/// How often all processes are looked through for a client that is not to be seen.
const LOOK_ELSEWHERE_EVERY: Duration = Duration::from_secs(5);

/// Sessions remembered that ended without a word.
const ENDED_MAX: usize = 10_000;

/// Under which the clients that run are stored, as the position of a door.
const DOOR: &str = "clients";

/// Clients that are stored; nobody runs as many.
const STORED_MAX: usize = 1_000;

/// Starts to look.
pub(crate) fn start(app: &Arc<App>, clients: Clients, tasks: &mut JoinSet<()>) {
    tasks.spawn(watch(Arc::clone(app), clients));
}

/// A client that is known to run a session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pid: u32,
    started: String,
    /// When it was seen to be gone.
    #[serde(skip)]
    gone: Option<Instant>,
}

/// The clients by the sessions that they run; as they are stored, by digests of those: a session that is deleted is
/// named nowhere.
pub(crate) type Clients = HashMap<String, Client>;

/// The clients that ran when the store was last written: one that is killed while no monitor runs leaves nothing else
/// behind.
pub(crate) fn known(store: &Store) -> Clients {
    store.position(DOOR).and_then(|known| serde_json::from_slice(&known).ok()).unwrap_or_default()
}

/// What is known from one look to the next.
struct Watch {
    app: Arc<App>,
    registry: Registry,
    clients: Clients,
    /// What of them is stored.
    stored: Vec<u8>,
    /// When each session's client was last seen to wait for an answer.
    waited: HashMap<String, i64>,
    /// The command of each question about one, as it is found in a child's arguments.
    commands: HashMap<u64, Option<String>>,
    told: HashSet<u64>,
    /// Clients whose number is none of this machine's, with the one they have here: they are in containers.
    elsewhere: HashMap<(u32, String), (Option<u32>, Instant)>,
    /// Sessions that were said to have ended, because their client was not to be seen.
    ended: HashSet<String>,
}

/// What came of a look.
struct Looked {
    facts: Vec<Fact>,
    /// Questions that may be over.
    unsure: HashSet<u64>,
    /// Whether anybody is asked.
    asked: bool,
}

async fn watch(app: Arc<App>, mut known: Clients) {
    let clients: Clients = {
        let state = app.hub.state();
        state.sessions.keys().filter_map(|session| Some((session.clone(), known.remove(&digest(session))?))).collect()
    };
    let mut watch = Watch {
        registry: Registry::new(),
        stored: stored(&clients),
        clients,
        waited: HashMap::new(),
        commands: HashMap::new(),
        told: HashSet::new(),
        elsewhere: HashMap::new(),
        ended: HashSet::new(),
        app: Arc::clone(&app),
    };
    let changed = watch.registry.changed();
    let mut cursor = app.hub.outbox.subscribe();
    loop {
        // It reads a good deal of `/proc`.
        let looking = tokio::task::spawn_blocking(move || {
            let looked = watch.look();
            (watch, looked)
        });
        let Ok((back, looked)) = looking.await else { return };
        watch = back;
        let asked = looked.asked;
        watch.tell(looked).await;
        let until = Instant::now() + if asked { LOOK_CLOSELY_EVERY } else { LOOK_EVERY };
        loop {
            tokio::select! {
                () = app.stopped.cancelled() => return,
                () = changed.notified() => break,
                () = tokio::time::sleep_until(until.into()) => break,
                next = app.hub.outbox.next(&mut cursor, usize::MAX) => match next {
                    Next::Closed => return,
                    // Anything else can wait for the next look.
                    Next::Events { events, .. } if events.iter().any(|event| asks(event.event.fact.kind)) => break,
                    Next::Events { .. } => {}
                },
            }
        }
    }
}

/// Whether a question can begin with a fact of this kind, or a client be new.
fn asks(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PermissionRequested | Kind::ElicitationRequested | Kind::NotificationSent | Kind::SessionStarted
    )
}

impl Watch {
    /// Records what a look has shown.
    async fn tell(&mut self, looked: Looked) {
        self.app.set_unsure(looked.unsure);
        let running = stored(&self.clients);
        if looked.facts.is_empty() && running == self.stored {
            return;
        }
        let ended: Vec<String> = looked
            .facts
            .iter()
            .filter(|fact| fact.kind == Kind::SessionEnded)
            .filter_map(|fact| fact.session_id.clone())
            .collect();
        match self.app.recorder.record_from(looked.facts, (DOOR.to_owned(), Some(running.clone())), false).await {
            Ok(_) => {
                self.stored = running;
                for session in ended {
                    self.clients.remove(&session);
                    self.ended.insert(session);
                }
            }
            // The next look shows it again.
            Err(error) => {
                debug!("what clients showed: {error}");
                self.told.clear();
            }
        }
    }

    /// Looks at all clients once. Blocking.
    fn look(&mut self) -> Looked {
        let now = clock::now();
        let sessions: Vec<Arc<Session>> = {
            let state = self.app.hub.state();
            let live =
                |session: &&Arc<Session>| session.ended.is_none() && now.since(session.last_event_at) < SILENT_MS;
            state.sessions.values().filter(live).cloned().collect()
        };
        let folders: HashSet<PathBuf> = sessions.iter().filter_map(|session| config_of(session)).collect();
        let running = self.registry.read(&folders);
        let mut facts = Vec::new();
        let mut unsure = HashSet::new();
        let mut asked = false;
        for session in &sessions {
            let entries: Vec<&Running> =
                running.iter().filter(|running| running.session_id == session.session_id).collect();
            let alive = entries.iter().find_map(|running| self.alive(running));
            match &alive {
                Some(running) => {
                    let client = Client { pid: running.pid, started: running.started.clone(), gone: None };
                    self.clients.insert(session.session_id.clone(), client);
                    self.ended.remove(&session.session_id);
                }
                None => facts.extend(self.gone(session, &entries, now)),
            }
            asked |= !session.needs().is_empty();
            for need in session.needs() {
                match self.answered(session, need, alive.as_ref(), now) {
                    Seen::Answered(fact) => facts.extend(self.told.insert(need.seq).then_some(*fact)),
                    Seen::Nothing { watched: true } => {}
                    Seen::Nothing { watched: false } => {
                        if now.since(need.since) > UNSURE_AFTER_MS {
                            unsure.insert(need.seq);
                        }
                    }
                }
            }
        }
        self.forget(&sessions);
        Looked { facts, unsure, asked }
    }

    /// A client with the number that it has here, if it lives.
    fn alive(&mut self, running: &Running) -> Option<Running> {
        if process::is_alive(running.pid, &running.started) {
            return Some(running.clone());
        }
        let key = (running.pid, running.started.clone());
        let (elsewhere, looked) = match self.elsewhere.get(&key) {
            Some((pid, looked)) if looked.elapsed() < LOOK_ELSEWHERE_EVERY => (*pid, *looked),
            _ => (process::seen_from_here(running.pid, &running.started), Instant::now()),
        };
        if self.elsewhere.len() > ENDED_MAX {
            self.elsewhere.clear();
        }
        self.elsewhere.insert(key, (elsewhere, looked));
        let pid = elsewhere.filter(|pid| process::is_alive(*pid, &running.started))?;
        Some(Running { pid, ..running.clone() })
    }

    /// What shows that a question was answered.
    fn answered(&mut self, session: &Session, need: &Need, running: Option<&Running>, now: Time) -> Seen {
        let Some(running) = running else { return Seen::Nothing { watched: false } };
        // A server's question tells its answer by a hook, whatever it is.
        if need.kind == NeedKind::Elicitation {
            return Seen::Nothing { watched: true };
        }
        let mut watched = false;
        if let (Some(status), Some(at)) = (running.status.as_deref(), running.status_at_ms) {
            watched = true;
            let waited = self.waited.entry(session.session_id.clone()).or_default();
            if status == "waiting" {
                *waited = at;
            } else {
                let since = need.since.ms();
                let was_seen_to_wait = *waited >= since - ASKED_BY_MS && at > *waited;
                if was_seen_to_wait || at > since + ASKED_BY_MS {
                    let decision = if status == "idle" { "reject" } else { "unknown" };
                    let time = Time::from_ms(at).believed(now);
                    return Seen::Answered(Box::new(decided(session, need, time, decision, "session_status")));
                }
            }
        }
        if need.kind == NeedKind::Permission && need.tool_name.as_deref() == Some("Bash") {
            let reader = &self.app.reader;
            let command = self.commands.entry(need.seq).or_insert_with(|| match reader.get(need.seq) {
                Ok(Found::Event(json)) => command_of(&json),
                _ => None,
            });
            if let Some(command) = command {
                watched |= process::CHILDREN_ARE_SEEN;
                if let Some(at) = process::child_running(running.pid, command, need.since) {
                    let time = at.believed(now).max(need.since);
                    return Seen::Answered(Box::new(decided(session, need, time, "accept", "child_process")));
                }
            }
        }
        Seen::Nothing { watched }
    }

    /// The end of a session whose client is gone without a word.
    fn gone(&mut self, session: &Session, entries: &[&Running], now: Time) -> Option<Fact> {
        if self.ended.contains(&session.session_id) {
            // It went on: its client is where its number means nothing here, in a container for example.
            return None;
        }
        let client = self.clients.get_mut(&session.session_id);
        let known = client.as_ref().is_some_and(|client| !process::is_alive(client.pid, &client.started));
        // A file that is left behind names a client of before this monitor looked.
        let (pid, gone) = match (client, entries.first()) {
            (Some(client), _) if known => (client.pid, client.gone.get_or_insert_with(Instant::now)),
            (None, Some(left)) if now.since(session.last_event_at) > SILENT_WITHOUT_CLIENT_MS => {
                let client = Client { pid: left.pid, started: left.started.clone(), gone: None };
                let client = self.clients.entry(session.session_id.clone()).or_insert(client);
                (left.pid, client.gone.get_or_insert_with(Instant::now))
            }
            _ => return None,
        };
        // Hooks that ran while no monitor did come first.
        let is_read = self.app.spool_backlogs.iter().all(|backlog| backlog.load(Relaxed) == 0);
        if gone.elapsed() < HOOK_ON_ITS_WAY || !is_read {
            return None;
        }
        if self.ended.len() > ENDED_MAX {
            self.ended.clear();
        }
        let mut fact =
            Fact::new(Kind::SessionEnded, now, Source::Server, json!({ "reason": "client_gone", "pid": pid }));
        fact.session_id = Some(session.session_id.clone());
        fact.summary = "Session ended: its client is gone".to_owned();
        Some(fact)
    }

    /// Lets go of what belongs to sessions and questions that are over.
    fn forget(&mut self, sessions: &[Arc<Session>]) {
        let ids: HashSet<&str> = sessions.iter().map(|session| session.session_id.as_str()).collect();
        self.clients.retain(|id, _| ids.contains(id.as_str()));
        self.waited.retain(|id, _| ids.contains(id.as_str()));
        let open: HashSet<u64> = sessions.iter().flat_map(|session| session.needs()).map(|need| need.seq).collect();
        self.commands.retain(|seq, _| open.contains(seq));
        self.told.retain(|seq| open.contains(seq));
    }
}

/// The clients as they are stored: always in the same order.
fn stored(clients: &Clients) -> Vec<u8> {
    let few: BTreeMap<String, &Client> =
        clients.iter().take(STORED_MAX).map(|(session, client)| (digest(session), client)).collect();
    serde_json::to_vec(&few).unwrap_or_default()
}

fn digest(session: &str) -> String {
    Sha256::digest(session).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What was seen of a question.
enum Seen {
    /// It was answered.
    Answered(Box<Fact>),
    /// Nothing; `watched` tells whether an answer would have been seen.
    Nothing { watched: bool },
}

fn decided(session: &Session, need: &Need, time: Time, decision: &str, source: &str) -> Fact {
    let data = json!({ "decision": decision, "source": source, "need_seq": need.seq });
    let mut fact = Fact::new(Kind::ToolCallDecided, time, Source::Server, data);
    fact.session_id = Some(session.session_id.clone());
    fact.agent_id.clone_from(&need.agent_id);
    fact.tool_name.clone_from(&need.tool_name);
    fact.tool_use_id.clone_from(&need.tool_use_id);
    let (verb, outcome) = match decision {
        "accept" => ("Accepted", Outcome::Ok),
        "reject" => ("Rejected", Outcome::Denied),
        _ => ("Answered", Outcome::Unknown),
    };
    fact.outcome = Some(outcome);
    fact.summary = summary::line(&format!("{verb}: {}", need.summary));
    fact
}

/// The command of a question, without what shells and redaction change in it. `None` when too little is left to tell it.
fn command_of(json: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(json).ok()?;
    let command = event.get("data")?.get("tool_input")?.get("command")?.as_str()?;
    let before_redaction = command.split("[redacted").next().unwrap_or_default();
    let plain = process::without_quotes(before_redaction.as_bytes());
    let plain: String = plain.chars().take(200).collect();
    (plain.len() >= 4).then_some(plain)
}

/// The client's configuration folder, from where its transcript lies: `CONFIG/projects/PROJECT/SESSION.jsonl`.
fn config_of(session: &Session) -> Option<PathBuf> {
    let file = main_file(session)?;
    let projects = file.parent().and_then(Path::parent).filter(|folder| folder.ends_with("projects"))?;
    projects.parent().map(Path::to_owned)
}
