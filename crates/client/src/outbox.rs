//! What waits to be sent: bounded in bytes over all namespaces, drops the oldest first, and counts what it dropped.

use crate::error::{AckError, Error};
use bytes::Bytes;
use socketio::packet::Answer;
use std::collections::{HashMap, VecDeque};
use tokio::sync::oneshot;

/// What a waiting packet costs besides its bytes; it keeps a flood of tiny packets bounded, too.
const PACKET_BYTES: usize = 128;

/// Where an answer goes.
pub(crate) type Asker = oneshot::Sender<Result<Answer, AckError>>;

/// A packet as it goes out: an Engine.IO text message, and its attachments.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) text: String,
    pub(crate) attachments: Vec<Bytes>,
    /// It answers an event of the server, so it is of no use after the connection.
    pub(crate) is_answer: bool,
}

impl Outgoing {
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// The size of the largest message of which it consists.
    pub(crate) fn longest_bytes(&self) -> usize {
        self.attachments.iter().map(Bytes::len).max().unwrap_or(0).max(self.text.len())
    }

    fn cost(&self) -> usize {
        self.bytes() + PACKET_BYTES
    }
}

/// One namespace's part.
#[derive(Debug, Default)]
struct Lane {
    /// The namespace takes packets now.
    is_open: bool,
    waiting: VecDeque<Waiting>,
    owed: HashMap<u64, Owed>,
    last_ack: u64,
}

#[derive(Debug)]
struct Waiting {
    /// Its place in the order over all namespaces.
    place: u64,
    packet: Outgoing,
    ack: Option<u64>,
}

/// An answer that the server owes.
#[derive(Debug)]
struct Owed {
    is_sent: bool,
    asker: Asker,
}

/// Packets and bytes that were dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: Vec<Lane>,
    bytes_max: usize,
    bytes: usize,
    last_place: u64,
    pub(crate) dropped: Dropped,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { lanes: Vec::new(), bytes_max, bytes: 0, last_place: 0, dropped: Dropped::default() }
    }

    /// A new namespace's lane, closed.
    pub(crate) fn add_lane(&mut self) -> usize {
        self.lanes.push(Lane::default());
        self.lanes.len() - 1
    }

    /// The largest packet that it can ever hold.
    pub(crate) fn packet_bytes_max(&self) -> usize {
        self.bytes_max.saturating_sub(PACKET_BYTES)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn packets(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// The number for the next event that wants an answer.
    pub(crate) fn next_ack(&mut self, lane: usize) -> u64 {
        let Some(lane) = self.lanes.get_mut(lane) else { return 0 };
        let id = lane.last_ack;
        // As many digits as every implementation reads exactly.
        lane.last_ack = (id + 1) % 1_000_000_000_000_000;
        id
    }

    /// Appends a packet that is no larger than [`Outbox::packet_bytes_max`]. The oldest of all make room for it.
    pub(crate) fn push(&mut self, lane: usize, packet: Outgoing, ack: Option<(u64, Asker)>) {
        while self.bytes + packet.cost() > self.bytes_max {
            if !self.drop_oldest() {
                break;
            }
        }
        self.last_place += 1;
        let place = self.last_place;
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        self.bytes += packet.cost();
        let id = ack.as_ref().map(|(id, _)| *id);
        if let Some((id, asker)) = ack {
            lane.owed.insert(id, Owed { is_sent: false, asker });
        }
        lane.waiting.push_back(Waiting { place, packet, ack: id });
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(lane) = self.first(|_| true) else { return false };
        self.drop_front(lane, AckError::Dropped)
    }

    /// The lane with the oldest packet, among those that are wanted.
    fn first(&self, wanted: impl Fn(&Lane) -> bool) -> Option<usize> {
        let fronts = self.lanes.iter().enumerate().filter(|(_, lane)| wanted(lane));
        fronts.filter_map(|(index, lane)| Some((lane.waiting.front()?.place, index))).min().map(|(_, index)| index)
    }

    fn drop_front(&mut self, lane: usize, why: AckError) -> bool {
        let Some(waiting) = self.pop(lane) else { return false };
        self.dropped.packets += 1;
        self.dropped.bytes += waiting.packet.bytes() as u64;
        if let Some(id) = waiting.ack {
            self.settle(lane, id, Err(why));
        }
        true
    }

    fn pop(&mut self, lane: usize) -> Option<Waiting> {
        let waiting = self.lanes.get_mut(lane)?.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(waiting.packet.cost());
        Some(waiting)
    }

    /// Moves packets of open namespaces to `out`, oldest first, until a limit is passed. One that was emitted while another
    /// limit for messages held is dropped: it would end the connection.
    pub(crate) fn take(
        &mut self,
        packets_max: usize,
        bytes_max: usize,
        message_bytes_max: usize,
        out: &mut Vec<Outgoing>,
    ) {
        let mut taken = 0;
        while out.len() < packets_max && taken < bytes_max {
            let Some(lane) = self.first(|lane| lane.is_open) else { return };
            let bytes = self.lanes[lane].waiting.front().map_or(0, |front| front.packet.longest_bytes());
            if bytes > message_bytes_max {
                let too_big = Error::TooBig { bytes, bytes_max: message_bytes_max };
                self.drop_front(lane, AckError::NotSent(too_big));
                continue;
            }
            let Some(waiting) = self.pop(lane) else { return };
            if let Some(id) = waiting.ack
                && let Some(owed) = self.lanes[lane].owed.get_mut(&id)
            {
                owed.is_sent = true;
            }
            taken += waiting.packet.bytes();
            out.push(waiting.packet);
        }
    }

    /// Whether something waits that can be sent now.
    pub(crate) fn has_work(&self) -> bool {
        self.lanes.iter().any(|lane| lane.is_open && !lane.waiting.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.waiting.is_empty())
    }

    /// The namespace takes packets from now on.
    pub(crate) fn open(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.is_open = true;
        }
    }

    /// The connection is gone. What was sent gets no answer; what waits goes on waiting, but for answers.
    pub(crate) fn close(&mut self, lane: usize) {
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        lane.is_open = false;
        for (_, owed) in lane.owed.extract_if(|_, owed| owed.is_sent) {
            // Whoever asked may have stopped waiting.
            let _ = owed.asker.send(Err(AckError::Disconnected));
        }
        let mut gone = 0;
        lane.waiting.retain(|waiting| {
            if waiting.packet.is_answer {
                gone += waiting.packet.cost();
            }
            !waiting.packet.is_answer
        });
        self.bytes = self.bytes.saturating_sub(gone);
    }

    /// The client is out of the namespace: nothing that waits there will be sent.
    pub(crate) fn clear(&mut self, lane: usize, why: &AckError) {
        self.close(lane);
        while self.drop_front(lane, why.clone()) {}
    }

    /// The server answers.
    pub(crate) fn answered(&mut self, lane: usize, id: u64, answer: Answer) {
        self.settle(lane, id, Ok(answer));
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget(&mut self, lane: usize, id: u64) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.owed.remove(&id);
        }
    }

    fn settle(&mut self, lane: usize, id: u64, outcome: Result<Answer, AckError>) {
        let owed = self.lanes.get_mut(lane).and_then(|lane| lane.owed.remove(&id));
        if let Some(owed) = owed {
            // Whoever asked may have stopped waiting.
            let _ = owed.asker.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &str) -> Outgoing {
        Outgoing { text: text.to_owned(), attachments: Vec::new(), is_answer: false }
    }

    fn texts(outbox: &mut Outbox) -> Vec<String> {
        let mut out = Vec::new();
        outbox.take(usize::MAX, usize::MAX, 1_000, &mut out);
        out.into_iter().map(|packet| packet.text).collect()
    }

    #[test]
    fn the_oldest_over_all_namespaces_goes_when_there_is_no_room() {
        let mut outbox = Outbox::new(3 * (PACKET_BYTES + 1));
        let (one, two) = (outbox.add_lane(), outbox.add_lane());
        let (asker, mut answer) = oneshot::channel();
        let id = outbox.next_ack(one);
        outbox.push(one, packet("a"), Some((id, asker)));
        outbox.push(two, packet("b"), None);
        outbox.push(one, packet("c"), None);
        outbox.push(two, packet("d"), None);
        assert_eq!(answer.try_recv(), Ok(Err(AckError::Dropped)));
        assert_eq!(outbox.dropped, Dropped { packets: 1, bytes: 1 });
        outbox.open(one);
        outbox.open(two);
        assert_eq!(texts(&mut outbox), ["b", "c", "d"]);
        assert!(outbox.is_empty() && outbox.bytes() == 0);
    }

    #[test]
    fn only_open_namespaces_are_sent_and_the_others_keep_what_waits() {
        let mut outbox = Outbox::new(10_000);
        let (one, two) = (outbox.add_lane(), outbox.add_lane());
        outbox.push(one, packet("a"), None);
        outbox.push(two, packet("b"), None);
        outbox.open(two);
        assert!(outbox.has_work());
        assert_eq!(texts(&mut outbox), ["b"]);
        assert!(!outbox.has_work() && !outbox.is_empty());
        outbox.clear(one, &AckError::Disconnected);
        assert!(outbox.is_empty() && outbox.bytes() == 0);
    }

    #[test]
    fn what_the_server_would_not_take_is_not_sent() {
        let mut outbox = Outbox::new(10_000);
        let lane = outbox.add_lane();
        outbox.open(lane);
        let (asker, mut answer) = oneshot::channel();
        let id = outbox.next_ack(lane);
        outbox.push(lane, packet(&"x".repeat(1_001)), Some((id, asker)));
        outbox.push(lane, packet("short"), None);
        assert_eq!(texts(&mut outbox), ["short"]);
        let too_big = Error::TooBig { bytes: 1_001, bytes_max: 1_000 };
        assert_eq!(answer.try_recv(), Ok(Err(AckError::NotSent(too_big))));
    }

    #[test]
    fn with_the_connection_go_answers_and_the_hope_for_what_was_sent() {
        let mut outbox = Outbox::new(10_000);
        let lane = outbox.add_lane();
        outbox.open(lane);
        let (first, mut sent) = oneshot::channel();
        let (second, mut unsent) = oneshot::channel();
        let id = outbox.next_ack(lane);
        outbox.push(lane, packet("sent"), Some((id, first)));
        assert_eq!(texts(&mut outbox), ["sent"]);
        let id = outbox.next_ack(lane);
        outbox.push(lane, packet("waits"), Some((id, second)));
        outbox.push(lane, Outgoing { is_answer: true, ..packet("answer") }, None);
        outbox.close(lane);
        assert_eq!(sent.try_recv(), Ok(Err(AckError::Disconnected)));
        outbox.open(lane);
        assert_eq!(texts(&mut outbox), ["waits"]);
        assert_eq!(outbox.bytes(), 0);
        outbox.answered(lane, id, Answer::default());
        assert_eq!(unsent.try_recv(), Ok(Ok(Answer::default())));
    }
}
