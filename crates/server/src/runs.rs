//! Agents that a launcher runs, and what authorised clients tell them: interrupt, stop, a prompt.
//!
//! A launcher is another process, which asks again and again whether there is something to do and says what became of it
//! ([`Runs::attend`]); so it finds its monitor again after a restart by itself. A run in place of its launcher (`exec`) has
//! nobody to ask: its process gets the signal from here, if the id of the run still stands in its environment.

mod process;
mod stream;

pub(crate) use process::agent_above;
pub(crate) use stream::{Streams, Told};

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use event::event::{Fact, Source};
use event::summary;
use event::vocabulary::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tracing::warn;

use crate::app::App;
use crate::clock;

/// How long a launcher's question stays open when there is nothing to do.
const ATTEND_MAX: Duration = Duration::from_secs(25);

/// Between two questions of one launcher, at most; then it is gone.
const AWAY_MAX: Duration = Duration::from_secs(3);

/// How long a launcher may take to say what became of a command.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Commands that wait for one launcher.
const ORDERS_MAX: usize = 16;

/// Runs at once. A user has dozens.
const RUNS_MAX: usize = 1_024;

/// The longest prompt, in bytes: as much as a terminal takes from an agent that is not reading, and the person's keys after
/// it.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The longest id of a run, in bytes; ours have 16.
pub(crate) const ID_BYTES_MAX: usize = 64;

/// What an agent can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    /// Leave off what it does, and wait for the person.
    Interrupt,
    /// End.
    Stop,
    /// Take this text as if it were typed.
    Prompt,
}

impl Command {
    /// The command of this name.
    pub(crate) fn named(name: &str) -> Option<Command> {
        match name {
            "interrupt" => Some(Command::Interrupt),
            "stop" => Some(Command::Stop),
            "prompt" => Some(Command::Prompt),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Command::Interrupt => "interrupt",
            Command::Stop => "stop",
            Command::Prompt => "prompt",
        }
    }
}

/// What a launcher says of its run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// The session, if the launcher chose its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    agent_command: String,
    launch_method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_directory: Option<String>,
    pid: u32,
    /// What it can be told.
    commands: Vec<Command>,
}

/// A launcher's question: who it is, and what became of what it was told.
#[derive(Debug, Deserialize)]
pub(crate) struct Attending {
    #[serde(flatten)]
    about: About,
    #[serde(default)]
    done: Vec<Done>,
}

/// What became of one command.
#[derive(Debug, Deserialize)]
struct Done {
    order: u64,
    /// Why it was not done.
    #[serde(default)]
    refused: Option<String>,
}

/// One thing to do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    order: u64,
    command: Command,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    force: bool,
    /// After this moment whoever asked has been told that nobody answered: it must not be done any more.
    until_ms: i64,
}

struct Run {
    about: About,
    orders: VecDeque<Order>,
    answers: BTreeMap<u64, (Command, oneshot::Sender<Done>)>,
    changed: Arc<Notify>,
    /// Open questions; more than one when a connection broke and the server does not know it yet.
    attending: usize,
    /// Which question is the newest: it alone gets orders.
    turn: u64,
    asked_at: Instant,
    /// It is over; known for a while, since its last question may overtake its goodbye.
    ended: bool,
}

impl Run {
    fn new(about: About) -> Run {
        Run {
            about,
            orders: VecDeque::new(),
            answers: BTreeMap::new(),
            changed: Arc::default(),
            attending: 0,
            turn: 0,
            asked_at: Instant::now(),
            ended: false,
        }
    }

    /// Whether its launcher asks, or is carrying something out and will ask again.
    fn is_attended(&self) -> bool {
        let is_busy = || self.answers.values().any(|(_, answer)| !answer.is_closed());
        self.asked_at.elapsed() < AWAY_MAX || (!self.ended && (self.attending > 0 || is_busy()))
    }

    /// Takes what became of orders.
    fn take(&mut self, done: Vec<Done>) {
        for done in done {
            if let Some((_, answer)) = self.answers.remove(&done.order) {
                // Whoever asked may have gone.
                let _ = answer.send(done);
            }
        }
    }

    /// It is over: who asked for that has what it wanted, and the others will hear nothing more.
    fn end(&mut self) {
        self.ended = true;
        self.asked_at = Instant::now();
        self.orders.clear();
        for (order, (command, answer)) in std::mem::take(&mut self.answers) {
            if command == Command::Stop {
                let _ = answer.send(Done { order, refused: None });
            }
        }
        self.changed.notify_waiters();
    }
}

/// The runs that have a launcher now.
#[derive(Default)]
pub(crate) struct Runs {
    /// By the id of the run. Short scopes only.
    runs: Mutex<BTreeMap<String, Run>>,
    orders: AtomicU64,
    /// What has passed of each run's `stream-json`.
    pub(crate) streams: Streams,
}

/// What is asked of an agent, by whichever wire: `{"command", "session_id" | "launch_id", "text"?, "force"?}`.
#[derive(Debug)]
pub(crate) struct Asked {
    command: Command,
    of: Of,
    text: Option<String>,
    force: bool,
}

#[derive(Clone, Debug)]
enum Of {
    Launch(String),
    Session(String),
}

/// Why an agent was not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The request cannot be understood.
    #[error("{0}")]
    Unclear(String),
    /// It is meant for another monitor.
    #[error("this is the monitor of port {here}; connect to port {there} for its sessions")]
    Elsewhere { here: u16, there: String },
    /// Whoever asks may read, and not act.
    #[error(
        "only the monitor's own page, programs of its user, and whoever brings the token may tell an agent something"
    )]
    NotTrusted,
    /// Nothing that can be told is known by that id.
    #[error("{0}")]
    NoRun(String),
    /// It cannot be done, or the launcher would not.
    #[error("{0}")]
    Refused(String),
    /// The launcher said nothing.
    #[error("its launcher did not answer within {} seconds", ANSWER_MAX.as_secs())]
    Silent,
}

impl Asked {
    /// Reads what a client asks for.
    pub(crate) fn read(app: &App, asked: &Value) -> Result<Asked, Refusal> {
        let unclear = |message: &str| Refusal::Unclear(message.to_owned());
        if let Some(port) = asked.get("port").or(asked.get("websocket_port"))
            && *port != json!(app.port)
        {
            return Err(Refusal::Elsewhere { here: app.port, there: port.to_string() });
        }
        let text = |key: &str| match asked.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::Unclear(format!("{key:?} must be a string that is not empty"))),
        };
        let command = text("command")?.ok_or_else(|| unclear("\"command\" is missing"))?;
        let command = Command::named(&command)
            .ok_or_else(|| Refusal::Unclear(format!("{command:?} is none of interrupt, stop and prompt")))?;
        let of = match (text("launch_id")?, text("session_id")?) {
            (Some(launch), _) => Of::Launch(launch),
            (None, Some(session)) => Of::Session(session),
            (None, None) => return Err(unclear("say which agent by \"session_id\" or \"launch_id\"")),
        };
        let said = text("text")?;
        match (command, &said) {
            (Command::Prompt, None) => return Err(unclear("a prompt needs a \"text\"")),
            (Command::Prompt, Some(text)) if text.len() > TEXT_BYTES_MAX => {
                return Err(Refusal::Unclear(format!("a prompt has at most {TEXT_BYTES_MAX} bytes")));
            }
            _ => {}
        }
        let force = asked.get("force").and_then(Value::as_bool).unwrap_or(false);
        Ok(Asked { command, of, text: said, force })
    }
}

impl Runs {
    /// What runs and can be told something, with the id of each.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let runs = self.attended();
        runs.iter()
            .filter(|(_, run)| !run.ended)
            .map(|(id, run)| {
                let mut listed = json!(run.about);
                listed["launch_id"] = json!(id);
                listed
            })
            .collect()
    }

    /// Takes a launcher's question, and answers when there is something to do, or after a while without.
    pub(crate) async fn attend(app: &App, id: &str, said: Attending) -> Result<Vec<Order>, Refusal> {
        let Attending { about, done } = said;
        let (changed, turn) = {
            let mut runs = app.runs.attended();
            if !runs.contains_key(id) && runs.len() >= RUNS_MAX {
                return Err(Refusal::Refused(format!("there are {RUNS_MAX} runs already")));
            }
            let run = runs.entry(id.to_owned()).or_insert_with(|| Run::new(about.clone()));
            run.take(done);
            run.asked_at = Instant::now();
            if run.ended {
                return Ok(Vec::new());
            }
            run.about = about;
            run.attending += 1;
            run.turn += 1;
            // An older question waits on a connection that may be broken.
            run.changed.notify_waiters();
            (Arc::clone(&run.changed), run.turn)
        };
        let _here = Here { runs: &app.runs, id };
        let until = tokio::time::sleep(ATTEND_MAX);
        tokio::pin!(until);
        loop {
            let waits = changed.notified();
            tokio::pin!(waits);
            // From here on nothing is missed that happens while it is looked.
            waits.as_mut().enable();
            match app.runs.lock().get_mut(id) {
                Some(run) if run.turn == turn && !run.ended => {
                    if let Some(order) = run.orders.pop_front() {
                        return Ok(vec![order]);
                    }
                }
                _ => return Ok(Vec::new()),
            }
            tokio::select! {
                () = waits => {}
                () = &mut until => return Ok(Vec::new()),
                () = app.stopped.cancelled() => return Ok(Vec::new()),
            }
        }
    }

    /// A launcher told how its run ended.
    pub(crate) fn end(&self, id: &str) {
        self.streams.forget(id);
        if let Some(run) = self.lock().get_mut(id) {
            run.end();
        }
    }

    /// Tells an agent something, and records that it was told. Returns what is answered to whoever asked.
    pub(crate) async fn tell(app: &App, asked: Asked, by: Source) -> Result<Value, Refusal> {
        let (launch, session) = app.runs.resolve(app, &asked.of)?;
        let told = match app.runs.order(&launch, &asked) {
            Some(Ok((order, answer))) => match tokio::time::timeout(ANSWER_MAX, answer).await {
                Ok(Ok(Done { refused: None, .. })) => Ok(()),
                Ok(Ok(Done { refused: Some(reason), .. })) => Err(Refusal::Refused(reason)),
                Ok(Err(_)) => Err(Refusal::NoRun("the agent has ended".to_owned())),
                Err(_) => {
                    app.runs.take_back(&launch, order);
                    Err(Refusal::Silent)
                }
            },
            Some(Err(refusal)) => Err(refusal),
            None => process::tell(&launch, app.hub.process_of_launch(&launch), asked.command, asked.force),
        };
        record(app, &asked, (&launch, session.as_deref()), by, told.as_ref().err()).await;
        told?;
        Ok(json!({ "status": "ok", "command": asked.command.name(), "launch_id": launch, "session_id": session }))
    }

    /// Which run is meant, and which session it is in.
    fn resolve(&self, app: &App, of: &Of) -> Result<(String, Option<String>), Refusal> {
        match of {
            Of::Launch(launch) => {
                let runs = self.attended();
                let chosen = runs.get(launch).and_then(|run| run.about.session_id.clone());
                let session = chosen.or_else(|| app.hub.session_of_launch(launch));
                Ok((launch.clone(), session))
            }
            Of::Session(session) => {
                let runs = self.attended();
                let is_in = |run: &Run| !run.ended && run.about.session_id.as_ref() == Some(session);
                let attended = runs.iter().find(|(_, run)| is_in(run));
                let launch = attended.map(|(id, _)| id.clone()).or_else(|| app.hub.launch_of_session(session));
                let launch = launch.ok_or_else(|| {
                    Refusal::NoRun(format!(
                        "session {session} was not started by claude-mpm, or has ended; only what it runs can be told something"
                    ))
                })?;
                Ok((launch, Some(session.clone())))
            }
        }
    }

    /// Puts a command before the launcher of this run; `None` if it has none.
    fn order(&self, launch: &str, asked: &Asked) -> Option<Result<(u64, oneshot::Receiver<Done>), Refusal>> {
        let mut runs = self.attended();
        let run = runs.get_mut(launch).filter(|run| !run.ended)?;
        if !run.about.commands.contains(&asked.command) {
            let reason = match (asked.command, run.about.launch_method.as_str()) {
                (Command::Prompt, "subprocess") => {
                    "this run takes no input from elsewhere; start it with --allow-input to let it".to_owned()
                }
                (Command::Prompt, method) => {
                    format!("a {method} run has no terminal of ours to type into; use --launch-method subprocess")
                }
                (command, method) => format!("a {method} run cannot be told to {}", command.name()),
            };
            return Some(Err(Refusal::Refused(reason)));
        }
        if run.orders.len() >= ORDERS_MAX {
            return Some(Err(Refusal::Refused("too many commands wait for this agent".to_owned())));
        }
        let order = self.orders.fetch_add(1, Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        run.answers.retain(|_, (_, answer)| !answer.is_closed());
        run.answers.insert(order, (asked.command, answer));
        run.orders.push_back(Order {
            order,
            command: asked.command,
            text: asked.text.clone(),
            force: asked.force,
            until_ms: clock::now().ms() + ANSWER_MAX.as_millis() as i64,
        });
        run.changed.notify_waiters();
        Some(Ok((order, answered)))
    }

    /// Nobody waits for this any more; where its launcher has not heard of it yet, it never will.
    fn take_back(&self, launch: &str, order: u64) {
        if let Some(run) = self.lock().get_mut(launch) {
            run.orders.retain(|waiting| waiting.order != order);
            run.answers.remove(&order);
        }
    }

    /// The runs, without those whose launcher is gone.
    fn attended(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Run>> {
        let mut runs = self.lock();
        runs.retain(|_, run| run.is_attended());
        runs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open question; ends also when its connection does.
struct Here<'a> {
    runs: &'a Runs,
    id: &'a str,
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.runs.lock().get_mut(self.id) {
            run.attending = run.attending.saturating_sub(1);
            run.asked_at = Instant::now();
        }
    }
}

/// History says who was told what, and what came of it. The prompt itself comes as the agent's own event.
async fn record(app: &App, asked: &Asked, of: (&str, Option<&str>), by: Source, refused: Option<&Refusal>) {
    let name = asked.command.name();
    let data = json!({ "command": name, "force": asked.force, "by": by, "status": if refused.is_none() { "done" } else { "refused" },
        "reason": refused.map(ToString::to_string) });
    let mut fact = Fact::new(Kind::AgentCommanded, clock::now(), Source::Server, data);
    fact.launch_id = Some(of.0.to_owned());
    fact.session_id = of.1.map(str::to_owned);
    fact.summary = summary::line(&match refused {
        None => format!("Told to {name}"),
        Some(refused) => format!("Not told to {name}: {refused}"),
    });
    if let Err(error) = app.recorder.record(vec![fact]).await {
        warn!("{name} of {} is not recorded: {error}", of.0);
    }
}
