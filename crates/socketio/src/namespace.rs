//! A namespace's sockets and rooms.

use crate::id::SocketId;
use crate::observer::Observers;
use crate::socket::Socket;
use crate::sync::{read, write};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

/// One namespace. Its sockets are in it from their CONNECT answer until they are gone.
pub(crate) struct Namespace {
    pub(crate) name: Arc<str>,
    pub(crate) observers: Arc<Observers>,
    /// Held for reading during a broadcast (which never waits and calls nobody back), for writing for one change.
    members: RwLock<Members>,
}

#[derive(Default)]
struct Members {
    sockets: HashMap<SocketId, Socket>,
    /// Without the rooms of the sockets' own ids.
    rooms: HashMap<Arc<str>, HashMap<SocketId, Socket>>,
}

impl Namespace {
    pub(crate) fn new(name: &str, observers: Arc<Observers>) -> Self {
        Self { name: name.into(), observers, members: RwLock::default() }
    }

    /// Takes a socket in, with the rooms it has joined already. Gives back an older socket with the same id.
    pub(crate) fn insert(&self, socket: &Socket) -> Option<Socket> {
        let mut members = write(&self.members);
        for room in socket.joined_rooms() {
            members.rooms.entry(room).or_default().insert(socket.id(), socket.clone());
        }
        members.sockets.insert(socket.id(), socket.clone())
    }

    pub(crate) fn remove(&self, socket: &Socket) {
        let mut members = write(&self.members);
        let id = socket.id();
        if members.sockets.get(&id) != Some(socket) {
            return;
        }
        let removed = members.sockets.remove(&id);
        for room in socket.joined_rooms() {
            members.leave(&id, &room);
        }
        drop(members);
        // Its last handle may be this one; it is dropped without the lock.
        drop(removed);
    }

    pub(crate) fn join(&self, socket: &Socket, room: Arc<str>) {
        let mut members = write(&self.members);
        if members.sockets.get(&socket.id()) == Some(socket) {
            members.rooms.entry(room).or_default().insert(socket.id(), socket.clone());
        }
    }

    pub(crate) fn leave(&self, id: &SocketId, room: &str) {
        write(&self.members).leave(id, room);
    }

    pub(crate) fn get(&self, id: &SocketId) -> Option<Socket> {
        read(&self.members).sockets.get(id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        read(&self.members).sockets.len()
    }

    pub(crate) fn rooms(&self) -> Vec<(String, usize)> {
        read(&self.members).rooms.iter().map(|(room, sockets)| (room.to_string(), sockets.len())).collect()
    }

    /// Calls `visit` for each socket in any of `rooms` (all sockets if empty) and in none of `except`, once.
    /// A socket's id is the name of a room, too.
    pub(crate) fn visit(&self, rooms: &[String], except: &[String], mut visit: impl FnMut(&Socket)) {
        let members = read(&self.members);
        let mut done: HashSet<SocketId> = HashSet::new();
        for room in except {
            members.each_in(room, |socket| {
                done.insert(socket.id());
            });
        }
        if rooms.is_empty() {
            members.sockets.values().filter(|socket| done.is_empty() || !done.contains(&socket.id())).for_each(visit);
            return;
        }
        let single = rooms.len() == 1 && done.is_empty();
        for room in rooms {
            members.each_in(room, |socket| {
                if single || done.insert(socket.id()) {
                    visit(socket);
                }
            });
        }
    }
}

impl Members {
    fn leave(&mut self, id: &SocketId, room: &str) {
        if let Some(sockets) = self.rooms.get_mut(room) {
            sockets.remove(id);
            if sockets.is_empty() {
                self.rooms.remove(room);
            }
        }
    }

    fn each_in(&self, room: &str, mut visit: impl FnMut(&Socket)) {
        let own = SocketId::parse(room).and_then(|id| self.sockets.get(&id));
        if let Some(socket) = own {
            visit(socket);
        }
        let joined = self.rooms.get(room).into_iter().flat_map(HashMap::values);
        joined.filter(|socket| own != Some(socket)).for_each(visit);
    }
}
