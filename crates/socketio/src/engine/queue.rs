//! What waits for one connection: bounded in bytes, drops its oldest broadcasts first, and remembers what it dropped.

use super::frame::{Frame, Frames};
use std::collections::VecDeque;
use tokio::time::Instant;

/// What a waiting packet costs besides its bytes; it keeps a flood of tiny packets bounded, too.
const ENTRY_BYTES: usize = 96;

/// One packet that waits.
#[derive(Debug)]
pub struct Entry {
    /// Its bytes.
    pub frames: Frames,
    /// The sender's own number for it, 0 for none; tells what was lost if it is dropped.
    pub tag: u64,
    /// Which listener's part of the connection it belongs to (for Socket.IO: the namespace's socket).
    pub owner: u32,
    /// Never dropped: the protocol's own packets and answers.
    pub keep: bool,
    /// When it was queued.
    pub at: Instant,
}

impl Entry {
    pub(crate) fn cost(&self) -> usize {
        self.frames.bytes() + ENTRY_BYTES
    }
}

/// Packets that a slow client has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// How many.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The smallest tag among them that is not 0; 0 if none had one.
    pub from: u64,
    /// The largest tag among them; 0 if none had one. Not everything between is lost.
    pub to: u64,
}

impl Lost {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.packets += 1;
        self.bytes += entry.frames.bytes() as u64;
        if entry.tag != 0 {
            self.from = if self.from == 0 { entry.tag } else { self.from.min(entry.tag) };
            self.to = self.to.max(entry.tag);
        }
    }
}

/// The queue has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// The rest of an entry of which some frames have left already.
    begun: VecDeque<Frame>,
    bytes_max: usize,
    bytes: usize,
    kept_bytes: usize,
    lost: Vec<(u32, Lost)>,
    pub(crate) dropped_packets: u64,
    pub(crate) dropped_bytes: u64,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            begun: VecDeque::new(),
            bytes_max,
            bytes: 0,
            kept_bytes: 0,
            lost: Vec::new(),
            dropped_packets: 0,
            dropped_bytes: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.begun.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that wait and may not be dropped.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    pub(crate) fn packets(&self) -> usize {
        self.entries.len() + self.begun.len()
    }

    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.at)
    }

    /// Whether an entry fits without dropping anything. One entry of any size fits into an empty queue.
    pub(crate) fn has_room(&self, entry: &Entry) -> bool {
        self.is_empty() || self.bytes + entry.cost() <= self.bytes_max
    }

    /// Appends an entry; drops the oldest that may be dropped to make room, or the new one if that does not help.
    ///
    /// # Errors
    /// The entry may not be dropped and there is no room for it: the connection is to be given up.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Full> {
        let mut from = 0;
        while !self.has_room(&entry) {
            let droppable = (from..self.entries.len()).find(|&index| !self.entries[index].keep);
            let Some(oldest) = droppable.and_then(|index| self.entries.remove(index)) else {
                if entry.keep {
                    return Err(Full);
                }
                self.drop_entry(&entry);
                return Ok(());
            };
            from = droppable.unwrap_or(from);
            self.bytes = self.bytes.saturating_sub(oldest.cost());
            self.drop_entry(&oldest);
        }
        self.bytes += entry.cost();
        if entry.keep {
            self.kept_bytes += entry.cost();
        }
        self.entries.push_back(entry);
        Ok(())
    }

    fn drop_entry(&mut self, entry: &Entry) {
        self.dropped_packets += 1;
        self.dropped_bytes += entry.frames.bytes() as u64;
        match self.lost.iter_mut().find(|(owner, _)| *owner == entry.owner) {
            Some((_, lost)) => lost.add(entry),
            None => {
                let mut lost = Lost::default();
                lost.add(entry);
                self.lost.push((entry.owner, lost));
            }
        }
    }

    /// Moves frames to `out` in order, until a limit is passed; at least one if any waits.
    pub(crate) fn take(&mut self, frames_max: usize, bytes_max: usize, out: &mut Vec<Frame>) -> usize {
        let mut taken = 0;
        while out.len() < frames_max && taken < bytes_max {
            if let Some(frame) = self.begun.pop_front() {
                self.bytes = self.bytes.saturating_sub(frame.len());
                taken += frame.len();
                out.push(frame);
                continue;
            }
            let Some(entry) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(entry.cost());
            if entry.keep {
                self.kept_bytes = self.kept_bytes.saturating_sub(entry.cost());
            }
            match entry.frames {
                Frames::One(frame) => {
                    taken += frame.len();
                    out.push(frame);
                }
                Frames::Many(frames) => {
                    self.bytes += frames.iter().map(Frame::len).sum::<usize>();
                    self.begun.extend(frames.iter().cloned());
                }
            }
        }
        taken
    }

    pub(crate) fn is_half_empty(&self) -> bool {
        self.bytes <= self.bytes_max / 2
    }

    /// What was dropped since the last call, once there is room again to say so.
    pub(crate) fn take_lost(&mut self) -> Vec<(u32, Lost)> {
        if self.lost.is_empty() || !self.is_half_empty() {
            return Vec::new();
        }
        std::mem::take(&mut self.lost)
    }

    pub(crate) fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.begun = VecDeque::new();
        self.bytes = 0;
        self.kept_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tag: u64, bytes: usize, keep: bool) -> Entry {
        let frames = Frame::from_text(&"x".repeat(bytes)).into();
        Entry { frames, tag, owner: 7, keep, at: Instant::now() }
    }

    #[test]
    fn the_oldest_broadcasts_go_first_and_answers_never() {
        let mut queue = Queue::new(1_000);
        queue.push(entry(1, 200, true)).unwrap();
        for tag in 2..=6 {
            queue.push(entry(tag, 200, false)).unwrap();
        }
        let mut frames = Vec::new();
        queue.take(100, usize::MAX, &mut frames);
        assert_eq!(frames.len(), 3);
        assert_eq!(queue.take_lost(), [(7, Lost { packets: 3, bytes: 3 * 204, from: 2, to: 4 })]);
        assert_eq!((queue.bytes(), queue.kept_bytes()), (0, 0));
    }

    #[test]
    fn what_may_not_be_dropped_fills_the_queue_and_no_more() {
        let mut queue = Queue::new(1_000);
        assert_eq!(queue.push(entry(0, 5_000, true)), Ok(()));
        assert_eq!(queue.push(entry(0, 1, true)), Err(Full));
        assert_eq!(queue.push(entry(9, 1, false)), Ok(()));
        assert_eq!(queue.packets(), 1);
    }

    #[test]
    fn attachments_leave_in_order_across_several_takes() {
        let mut queue = Queue::new(10_000);
        let frames: Vec<_> = (0..5).map(|n| Frame::from_text(&n.to_string())).collect();
        let many = Frames::Many(frames.into());
        queue.push(Entry { frames: many, tag: 0, owner: 0, keep: true, at: Instant::now() }).unwrap();
        let mut all = Vec::new();
        for _ in 0..3 {
            let mut out = Vec::new();
            queue.take(2, usize::MAX, &mut out);
            all.extend(out.iter().map(|frame| frame.polling().into_owned()));
        }
        assert_eq!(all, [b"0", b"1", b"2", b"3", b"4"]);
        assert!(queue.is_empty() && queue.bytes() == 0);
    }
}
