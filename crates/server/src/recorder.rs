//! The thread that owns the store: it gives facts their order, commits them in groups, then acknowledges and publishes.

mod again;
mod handle;
pub(crate) mod memory;
mod recount;

use std::sync::Arc;
use std::time::Duration;

use event::event::{Event, Fact, Time};
use event::vocabulary::Kept;
use event::wire::history;
use store::sums::{Sums, Tallies};
use store::{Batch, Note, Record, Store, StoreError};
use tokio::sync::mpsc;
use tracing::{debug, error, info};

use crate::clock;
use crate::hub::tally::{self, Context};
use crate::hub::{Hub, Published};
pub(crate) use handle::{NotStored, Recorder};
use handle::{Told, Waiting};
use memory::Memory;

/// Events in one commit: what the disk takes in a few milliseconds.
const BATCH_EVENTS_MAX: usize = 2_000;

/// Bytes in one commit.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A larger group is worth its commit as it is.
const COMPANY_MAX: usize = 16;

/// How often a group looks again for those that were in the one before it.
const PATIENCE: u32 = 5;

/// Between two looks: together at most a millisecond, with the system's own slack.
const PATIENCE_STEP: Duration = Duration::from_micros(50);

/// Between two checkpoints of the live state.
const CHECKPOINT_MS: i64 = 5_000;

/// Events between two checkpoints: what a start after a crash replays at most, in about a tenth of a second.
const CHECKPOINT_EVENTS: u64 = 20_000;

/// The recorder's thread.
struct Writer {
    store: Store,
    sums: Arc<Sums>,
    hub: Arc<Hub>,
    memory: Memory,
    /// When the last checkpoint was made, and of which number.
    checkpoint: (Time, u64),
    failing: bool,
    /// Whether something changed since the last checkpoint that no event after it tells.
    unsaved: bool,
}

/// A group of tellings, ordered and encoded, before its commit.
#[derive(Default)]
struct Group {
    batch: Batch,
    events: Vec<Arc<Published>>,
    /// What the session of each of `events` knows of it.
    contexts: Vec<Context>,
    /// Events that were told better: how they were counted, and how they are now.
    corrected: Vec<Corrected>,
    volatile: Vec<Arc<Published>>,
    bytes: usize,
    /// The numbers of each telling, and whether its facts were told before.
    told: Vec<(Vec<u64>, bool)>,
    notes: Vec<Note>,
    /// Whether a second telling told a session something, though no event came of it.
    sessions_changed: bool,
    counted: Option<(Tallies, bool)>,
    /// Sessions that are to be pinned, or no longer.
    pins: Vec<(String, bool)>,
    /// Sessions that are to be erased.
    erase: Vec<String>,
    /// Whether the checkpoint is to be written anew.
    save: bool,
}

/// An event that is told once more, and better.
struct Corrected {
    seq: u64,
    before: Fact,
    after: Fact,
    context: Context,
    /// Whether it is counted as it was before.
    is_counted: bool,
}

impl Writer {
    fn new(store: Store, hub: Arc<Hub>) -> Writer {
        let memory = Memory::new(Arc::clone(&hub));
        // What was replayed at the start is saved with the first commit, so that the next start need not replay it again.
        let checkpoint = (Time::default(), 0);
        Writer { sums: store.sums(), store, hub, memory, checkpoint, failing: false, unsaved: false }
    }

    fn run(mut self, mut queue: mpsc::Receiver<Told>) {
        let mut company = 1;
        while let Some(first) = queue.blocking_recv() {
            let mut group = Group::default();
            let mut waiting = Vec::new();
            let mut next = Some(first);
            // While the disk is busy others queue up; they go together. When nobody waits, nobody is made to wait.
            let mut patience = PATIENCE;
            while let Some(told) = next {
                waiting.push(self.order(told, &mut group));
                // What comes after a session was erased is of another session, whatever its id.
                let full =
                    group.events.len() >= BATCH_EVENTS_MAX || group.bytes >= BATCH_BYTES_MAX || !group.erase.is_empty();
                next = if full { None } else { queue.try_recv().ok() };
                // Those who were acknowledged together come back together: one commit for all is cheaper than two.
                while next.is_none() && !full && waiting.len() < company.min(COMPANY_MAX) && patience > 0 {
                    std::thread::sleep(PATIENCE_STEP);
                    patience -= 1;
                    next = queue.try_recv().ok();
                }
            }
            company = waiting.len();
            self.commit(group, waiting);
            self.checkpoint_if_due();
        }
        self.save_checkpoint(clock::now());
        if let Err(error) = self.store.close() {
            error!("closing the store: {error}");
        }
    }

    /// Gives each fact its place, and what it implies the places after it.
    fn order(&mut self, told: Told, group: &mut Group) -> Waiting {
        let now = clock::now();
        let mut numbers = Vec::with_capacity(told.facts.len());
        for fact in told.facts {
            numbers.push(self.order_one(fact, now, group));
        }
        group.batch.positions.extend(told.position);
        group.told.push((numbers, told.again));
        group.notes.extend(told.notes);
        if let Some((session, pinned)) = told.pin {
            group.batch.pin(&session, pinned);
            self.memory.pin(&session, pinned);
            group.pins.push((session, pinned));
        }
        if let Some(session) = told.erase {
            group.batch.erase(&session, self.store.next_seq() + group.events.len() as u64);
            group.erase.push(session);
        }
        group.save |= told.save;
        // Events that came after it was asked for may be of it, and it was asked for again.
        if let Some((session, below)) = told.erased
            && self.store.erasing(&session) == Some(below)
        {
            group.batch.erased(&session);
        }
        if let Some((tallies, is_all)) = told.counted {
            let (counted, all) = group.counted.get_or_insert_default();
            counted.merge(tallies);
            *all |= is_all;
        }
        told.done
    }

    fn order_one(&mut self, fact: Fact, now: Time, group: &mut Group) -> u64 {
        if fact.kind.row().kept == Kept::Volatile {
            group.volatile.push(Arc::new(Published::new(Event { seq: None, recorded_at: now, fact })));
            return 0;
        }
        let seq = self.store.next_seq() + group.events.len() as u64;
        let reader = self.store.reader();
        if let Some(known) = self.memory.known(&fact, &reader) {
            again::told(self, known, fact, (seq, now), group);
            return known;
        }
        let (facts, context) = self.memory.take(fact, seq);
        group.append(facts, context, (seq, now));
        seq
    }

    fn commit(&mut self, group: Group, waiting: Vec<Waiting>) {
        let Group {
            batch,
            events,
            contexts,
            corrected,
            volatile,
            told,
            notes,
            counted,
            sessions_changed,
            pins,
            erase,
            save,
            ..
        } = group;
        let written = self.store.write(&batch, clock::now().ms());
        match written {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    info!("the store takes events again");
                    self.hub.store_fails(false);
                }
                let changed = self.memory.commit();
                let pinned = (!pins.is_empty()).then(|| changed.clone());
                if !events.is_empty() || sessions_changed {
                    self.hub.committed(self.store.next_seq() - 1, events.clone(), changed);
                }
                self.unsaved |= sessions_changed;
                if let Some(changed) = pinned {
                    self.hub.pinned(&pins, changed);
                }
                self.hub.unkept(volatile);
                // Before anybody is told that it is done.
                self.hub.erased(&erase);
                // Before anybody is told, too, for whoever asks for sums then has them with all that was acknowledged: half
                // a microsecond an event. And before it is saved: what is saved with a number is counted up to it.
                self.count(&events, &contexts, &corrected);
                if save || !erase.is_empty() {
                    self.forget();
                }
                for (done, (numbers, _)) in waiting.into_iter().zip(told).filter_map(|(done, told)| Some((done?, told)))
                {
                    // Whoever asked may be gone; the events are stored all the same.
                    let _ = done.send(Ok(numbers));
                }
            }
            Err(error) => self.not_stored(&error, events, volatile, waiting, &told),
        }
        if let Err(error) = self.store.keep_notes(&notes) {
            debug!("{} notes are not kept: {error}", notes.len());
        }
        if let Some((tallies, is_all)) = counted {
            self.sums.pending().merge(tallies);
            if is_all {
                self.sums.completed();
            }
            self.save_checkpoint(clock::now());
        }
    }

    /// Leaves nothing of sessions that are to be erased in memory, and nothing in a file that is still written.
    fn forget(&mut self) {
        // What was counted is written, too: what is under its name is erased there.
        self.unsaved = true;
        if let Err(error) = self.store.begin_file() {
            error!("beginning a file without an erased session: {error}");
        }
        self.save_checkpoint(clock::now());
    }

    /// Counts what was committed.
    fn count(&mut self, events: &[Arc<Published>], contexts: &[Context], corrected: &[Corrected]) {
        let part = self.store.day();
        let mut tallies = self.sums.pending();
        for (published, context) in events.iter().zip(contexts) {
            tally::count(&mut tallies, part, &published.event.fact, context);
        }
        for Corrected { seq, before, after, context, is_counted } in corrected {
            let part = self.store.reader().day_of(*seq).ok().flatten().unwrap_or(part);
            if *is_counted {
                tally::count_event(&mut tallies, part, before, context, -1);
                tally::count_event(&mut tallies, part, after, context, 1);
            }
            tally::count_growth(&mut tallies, part, after, context);
        }
        drop(tallies);
        if corrected.iter().any(|corrected| corrected.seq <= self.checkpoint.1) {
            // It is not replayed after a crash, and its day shows how it is now: not how it was counted before.
            self.save_checkpoint(clock::now());
        }
    }

    /// Nothing of the group is stored: its numbers are free again, the state is as before, and live viewers see the
    /// events all the same, once, marked as not stored.
    fn not_stored(
        &mut self,
        error: &StoreError,
        events: Vec<Arc<Published>>,
        volatile: Vec<Arc<Published>>,
        waiting: Vec<Waiting>,
        told: &[(Vec<u64>, bool)],
    ) {
        if !std::mem::replace(&mut self.failing, true) {
            error!("the store does not take events: {error}");
        }
        self.hub.store_fails(true);
        self.memory.roll_back();
        let repeated: Vec<u64> =
            told.iter().filter(|(_, again)| *again).flat_map(|(numbers, _)| numbers).copied().collect();
        let unstored = events
            .iter()
            .filter(|published| !published.event.seq.is_some_and(|seq| repeated.contains(&seq)))
            .map(|published| Arc::new(Published::new(Event { seq: None, ..published.event.clone() })))
            .collect();
        self.hub.unkept(unstored);
        self.hub.unkept(volatile);
        for done in waiting.into_iter().flatten() {
            let _ = done.send(Err(NotStored(error.to_string())));
        }
    }

    fn checkpoint_if_due(&mut self) {
        let now = clock::now();
        let events = self.store.seq_last().saturating_sub(self.checkpoint.1);
        if now.ms().saturating_sub(self.checkpoint.0.ms()).abs() >= CHECKPOINT_MS || events >= CHECKPOINT_EVENTS {
            self.save_checkpoint(now);
        }
    }

    fn save_checkpoint(&mut self, now: Time) {
        let (seq, state) = memory::checkpoint(&self.hub, now);
        self.checkpoint.0 = now;
        if seq == self.checkpoint.1 && self.sums.pending().is_empty() && !self.unsaved {
            return;
        }
        match self.store.save_checkpoint(seq, &state) {
            Ok(()) => (self.checkpoint.1, self.unsaved) = (seq, false),
            // A cache: the next start replays more.
            Err(error) => error!("saving the checkpoint: {error}"),
        }
        if let Err(error) = self.store.fold_sums(now.ms()) {
            debug!("making hours of minutes: {error}");
        }
    }
}

impl Group {
    /// Adds a fact and what it implies, with the numbers from `seq` on.
    fn append(&mut self, facts: Vec<Fact>, context: Context, (seq, now): (u64, Time)) {
        let implied = Context { growth: None, ..context.clone() };
        let contexts = std::iter::once(context).chain(std::iter::repeat(implied));
        for ((fact, context), seq) in facts.into_iter().zip(contexts).zip(seq..) {
            let record = record_of(&fact, seq, now);
            let published = Published::new(Event { seq: Some(seq), recorded_at: now, fact });
            self.bytes += published.json.len() + record.content.as_ref().map_or(0, bytes::Bytes::len);
            self.batch.records.push(Record { json: published.json.clone(), ..record });
            self.events.push(Arc::new(published));
            self.contexts.push(context);
        }
    }
}

/// The record of an event that comes with its number and its public JSON, from an export for example.
pub fn stored_record(json: bytes::Bytes, content: Option<bytes::Bytes>) -> Result<Record, String> {
    let event = history::read(&json).map_err(|error| error.to_string())?;
    let seq = event.seq.filter(|seq| *seq > 0).ok_or("it has no number")?;
    Ok(Record { json, content, ..record_of(&event.fact, seq, event.recorded_at) })
}

fn record_of(fact: &Fact, seq: u64, now: Time) -> Record {
    let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
    Record {
        seq,
        time_ms: fact.time.ms(),
        recorded_ms: now.ms(),
        kind: fact.kind.name().into(),
        namespace: fact.namespace().to_owned().into(),
        event: fact.event_name().to_owned().into(),
        session: shared(&fact.session_id),
        agent: shared(&fact.agent_id),
        tool: shared(&fact.tool_name),
        is_error: fact.is_error(),
        source: fact.sources.first().map_or("server", |source| source.name()).into(),
        identity: fact.identity.key(),
        json: bytes::Bytes::new(),
        content: fact.whole.as_ref().map(|whole| whole.to_string().into()),
    }
}
