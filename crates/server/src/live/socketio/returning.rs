//! Who may come back as who it was: the private ids of clients that asked for recovery.
//!
//! Only their hashes are kept, with the store's notes, so that they outlive the server's end, a crash too.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use event::event::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Note, Store};

/// How long a client may be away, in milliseconds.
const AWAY_MAX_MS: u64 = 120_000;

/// Clients that are remembered; beyond it those that left first are forgotten.
const CLIENTS_MAX: usize = 20_000;

/// What the key of a note begins with that is one of ours.
const KEY: &[u8] = b"client:";

type Hash = [u8; 32];

/// What is remembered of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Client {
    /// Its socket's id.
    pub(super) sid: String,
    pub(super) namespace: String,
    pub(super) rooms: Vec<String>,
    /// Since when it is away; `None` while it is there.
    left: Option<Time>,
}

/// All that are remembered.
#[derive(Default)]
pub(crate) struct Returning {
    /// Short scopes only.
    clients: Mutex<HashMap<Hash, Client>>,
}

impl Returning {
    /// Those whom an earlier server knew. Who was there when it ended has been away since now: nobody can have told it
    /// to come back before.
    pub(crate) fn restore(store: &mut Store, now: Time) -> Returning {
        let mut clients = HashMap::new();
        let mut forgotten = Vec::new();
        for (key, value) in store.notes() {
            let Some(hash) = key.strip_prefix(KEY) else { continue };
            let client = serde_json::from_slice::<Client>(&value).ok();
            match (Hash::try_from(hash), client) {
                (Ok(hash), Some(mut client)) if client.is_near(now) => {
                    client.left.get_or_insert(now);
                    clients.insert(hash, client);
                }
                _ => forgotten.push(Note { key, value: None }),
            }
        }
        if let Err(error) = store.keep_notes(&forgotten) {
            tracing::debug!("{} notes are not forgotten: {error}", forgotten.len());
        }
        Returning { clients: Mutex::new(clients) }
    }

    /// The client with this private id, if it is away and not too long. It is there from now on.
    pub(super) fn take(&self, pid: &str, namespace: &str, now: Time) -> Option<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.get_mut(&hash(pid))?;
        if client.left.is_none() || !client.is_near(now) || client.namespace != namespace {
            return None;
        }
        client.left = None;
        Some(client.clone())
    }

    /// Remembers a client as it is now; returns the notes to keep.
    pub(super) fn remember(
        &self,
        pid: &str,
        sid: String,
        namespace: &str,
        rooms: Vec<String>,
        left: Option<Time>,
    ) -> Vec<Note> {
        let client = Client { sid, namespace: namespace.to_owned(), rooms, left };
        let mut notes = vec![note(hash(pid), Some(&client))];
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.insert(hash(pid), client);
        if let Some(now) = left
            && clients.len() > CLIENTS_MAX
        {
            let gone: Vec<Hash> =
                clients.iter().filter(|(_, client)| !client.is_near(now)).map(|(hash, _)| *hash).collect();
            let first = || {
                let away = clients.iter().filter_map(|(hash, client)| Some((client.left?, *hash)));
                away.min().map(|(_, hash)| vec![hash])
            };
            let gone = if gone.is_empty() { first().unwrap_or_default() } else { gone };
            for hash in gone {
                clients.remove(&hash);
                notes.push(note(hash, None));
            }
        }
        notes
    }
}

impl Client {
    fn is_near(&self, now: Time) -> bool {
        self.left.is_none_or(|left| now.since(left) < AWAY_MAX_MS)
    }
}

fn hash(pid: &str) -> Hash {
    Sha256::digest(pid.as_bytes()).into()
}

fn note(hash: Hash, client: Option<&Client>) -> Note {
    let value = client.map(|client| serde_json::to_vec(client).unwrap_or_default());
    Note { key: [KEY, &hash[..]].concat(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(returning: &Returning, pid: &str, left_ms: i64) -> Vec<Note> {
        returning.remember(pid, format!("sid-{pid}"), "/hook", Vec::new(), Some(Time::from_ms(left_ms)))
    }

    #[test]
    fn a_private_id_is_good_once_on_its_namespace_and_for_two_minutes() {
        let returning = Returning::default();
        away(&returning, "a", 1_000);
        assert!(returning.take("a", "/log", Time::from_ms(1_001)).is_none());
        assert!(returning.take("b", "/hook", Time::from_ms(1_001)).is_none());
        assert_eq!(returning.take("a", "/hook", Time::from_ms(120_999)).unwrap().sid, "sid-a");
        assert!(returning.take("a", "/hook", Time::from_ms(121_000)).is_none(), "it is there");
        away(&returning, "a", 1_000);
        assert!(returning.take("a", "/hook", Time::from_ms(121_000)).is_none());
    }

    #[test]
    fn there_is_an_end_to_how_many_are_remembered() {
        let returning = Returning::default();
        for client in 0..CLIENTS_MAX {
            assert_eq!(away(&returning, &client.to_string(), 1_000 + client as i64).len(), 1);
        }
        let notes = away(&returning, "one more", 100_000);
        assert_eq!((notes.len(), notes[1].value.as_ref()), (2, None));
        assert!(returning.take("0", "/hook", Time::from_ms(100_001)).is_none());
        assert!(returning.take("1", "/hook", Time::from_ms(100_001)).is_some());
    }

    #[test]
    fn nobody_can_take_a_private_id_out_of_the_notes() {
        let sid = "its public id".to_owned();
        let notes = Returning::default().remember("a secret", sid, "/hook", Vec::new(), Some(Time::from_ms(1_000)));
        let kept = [notes[0].key.clone(), notes[0].value.clone().unwrap()].concat();
        assert!(!kept.windows(8).any(|window| window == b"a secret"));
    }
}
