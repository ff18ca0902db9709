//! A handle to the recorder: what it can be told, from anywhere.

use std::sync::Arc;
use std::thread::JoinHandle;

use event::event::Fact;
use store::sums::Tallies;
use store::{Note, Reader, Store};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Writer;
use crate::hub::Hub;

/// Tellings that wait for the recorder. Doors wait for room, so a burst slows its senders and nobody else.
const QUEUE_MAX: usize = 4_096;

/// Whoever waits for what it told, if anybody does.
pub(super) type Waiting = Option<oneshot::Sender<Result<Vec<u64>, NotStored>>>;

/// A door's name, and how far it has read.
pub(super) type Position = (String, Option<Vec<u8>>);

/// What one door tells at once, to be committed together.
#[derive(Default)]
pub(super) struct Told {
    pub(super) facts: Vec<Fact>,
    /// How far the door has read, committed with the facts (exactly once); `None` for what it will not read again.
    pub(super) position: Option<Position>,
    /// The same facts were told before and could not be stored.
    pub(super) again: bool,
    /// What is good to know after a restart.
    pub(super) notes: Vec<Note>,
    /// What was counted again of what is stored, and whether that is all.
    pub(super) counted: Option<(Tallies, bool)>,
    /// A session that is to be pinned, or no longer.
    pub(super) pin: Option<(String, bool)>,
    /// A session that is to be erased, and nobody is to hear of it any more.
    pub(super) erase: Option<String>,
    /// Whether the checkpoint is to be written anew.
    pub(super) save: bool,
    /// A session of which nothing is left below a number.
    pub(super) erased: Option<(String, u64)>,
    pub(super) done: Waiting,
}

/// The disk did not take it: nothing was stored, and the door should try again or say so.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not stored: {0}")]
pub(crate) struct NotStored(pub(crate) String);

/// A door's handle to the recorder.
#[derive(Clone)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Told>,
}

impl Recorder {
    /// Starts the thread. It ends when every handle is gone, after committing what it was told.
    pub(crate) fn start(store: Store, hub: Arc<Hub>) -> std::io::Result<(Recorder, JoinHandle<()>)> {
        let (queue, told) = mpsc::channel(QUEUE_MAX);
        let writer = Writer::new(store, hub);
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || writer.run(told))?;
        Ok((Recorder { queue }, thread))
    }

    /// Stores facts and returns their numbers once they are on disk; a fact that was known gives the old number,
    /// and one that is not kept gives 0.
    pub(crate) async fn record(&self, facts: Vec<Fact>) -> Result<Vec<u64>, NotStored> {
        self.tell(facts, None, false).await
    }

    /// The same, with the door's position committed in the same transaction.
    pub(crate) async fn record_from(
        &self,
        facts: Vec<Fact>,
        position: Position,
        again: bool,
    ) -> Result<Vec<u64>, NotStored> {
        self.tell(facts, Some(position), again).await
    }

    /// How many tellings wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Hands facts over at once, in the order of the calls; gives them back when the recorder has no room.
    pub(crate) fn hand_over(
        &self,
        facts: Vec<Fact>,
    ) -> Result<oneshot::Receiver<Result<Vec<u64>, NotStored>>, Vec<Fact>> {
        let (done, stored) = oneshot::channel();
        match self.queue.try_send(Told { facts, done: Some(done), ..Told::default() }) {
            Ok(()) => Ok(stored),
            Err(mpsc::error::TrySendError::Full(told) | mpsc::error::TrySendError::Closed(told)) => Err(told.facts),
        }
    }

    /// Keeps a note for the next start, soon; not when the recorder has no room for it now.
    pub(crate) fn note(&self, note: Note) {
        let told = Told { notes: vec![note], ..Told::default() };
        if self.queue.try_send(told).is_err() {
            debug!("no room for a note");
        }
    }

    /// Counts all events up to `last` again, until `stopped`. Blocking.
    pub(crate) fn count_again(&self, reader: &Reader, last: u64, stopped: &CancellationToken) {
        super::recount::run(self, reader, last, stopped);
    }

    /// Hands over what was counted again; waits for room. Blocking; false when the recorder has ended.
    pub(super) fn counted_again(&self, tallies: Tallies, is_all: bool) -> bool {
        let (done, written) = oneshot::channel();
        let told = Told { counted: Some((tallies, is_all)), done: Some(done), ..Told::default() };
        // Waits until it is written, so that no more than this is ever in memory.
        self.queue.blocking_send(told).is_ok() && written.blocking_recv().is_ok()
    }

    /// Pins a session, or no longer; returns when that is on disk.
    pub(crate) async fn pin(&self, session: String, pinned: bool) -> Result<(), NotStored> {
        self.send(Told { pin: Some((session, pinned)), ..Told::default() }).await.map(drop)
    }

    /// Has a session erased; returns when that is sure to happen, and nobody sees it among the sessions any more.
    pub(crate) async fn erase(&self, session: String) -> Result<(), NotStored> {
        self.send(Told { erase: Some(session), ..Told::default() }).await.map(drop)
    }

    /// Writes the checkpoint anew, without sessions that are to be erased, and goes on in a file without them.
    pub(crate) async fn save(&self) -> Result<(), NotStored> {
        self.send(Told { save: true, ..Told::default() }).await.map(drop)
    }

    /// Nothing is left of a session below a number: nothing is to say that it is to be erased, unless it is once more.
    pub(crate) async fn erased(&self, session: String, below: u64) -> Result<(), NotStored> {
        self.send(Told { erased: Some((session, below)), ..Told::default() }).await.map(drop)
    }

    async fn tell(&self, facts: Vec<Fact>, position: Option<Position>, again: bool) -> Result<Vec<u64>, NotStored> {
        self.send(Told { facts, position, again, ..Told::default() }).await
    }

    async fn send(&self, told: Told) -> Result<Vec<u64>, NotStored> {
        let stopping = || NotStored("the server is stopping".to_owned());
        let (done, stored) = oneshot::channel();
        self.queue.send(Told { done: Some(done), ..told }).await.map_err(|_| stopping())?;
        stored.await.map_err(|_| stopping())?
    }
}
