//! What a running monitor does for commands of its own user: a socket in its folder, one JSON line each way.
//!
//! Its listening sockets go through it to the process that follows it, so that a restart refuses no connection.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::UnixListener;

/// The socket in a monitor's folder.
const FILE: &str = "control.sock";

/// How long one request may take, from connecting to the last byte of the answer.
const REQUEST_MAX: Duration = Duration::from_secs(2);

/// How long a monitor may take to end after it has given its sockets away.
const END_MAX: Duration = Duration::from_secs(20);

/// Sockets handed over at once: two families on two ports.
const SOCKETS_MAX: usize = 4;

/// The longest answer that is read, in bytes: 10,000 clients.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Who is connected.
    Clients,
    /// Give the dashboard port up.
    YieldDashboard,
    /// Give the sockets away, and end.
    HandOver,
}

/// A client, as `status --verbose` lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) address: Option<String>,
    pub(crate) transport: String,
    /// Seconds since it connected.
    pub(crate) connected: u64,
}

/// The answer to [`Request::Clients`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// Events stored since the start.
    pub(crate) events: u64,
    pub(crate) clients: Vec<Client>,
}

/// What comes along with the sockets.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Legacy {
    /// Kept in memory alone, so a restart from another shell keeps it only this way.
    pub(crate) token: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) dashboard: Option<u16>,
    /// How many of the sockets are the first port's.
    first: usize,
}

/// The monitor's end.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Control {
    /// Begins to listen. Inside a tokio runtime.
    pub(crate) fn open(folder: &Path) -> io::Result<Control> {
        let path = folder.join(FILE);
        // Only one left behind can be there: the lock on the folder is held.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(Control { listener, path })
    }

    /// The next request, and where its answer goes. Whoever is not this user or root is not heard.
    pub(crate) async fn next(&self) -> (Request, UnixStream) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(stream) = stream.into_std() else { continue };
            let taken = tokio::task::spawn_blocking(move || take(stream)).await;
            if let Ok(Ok(request)) = taken {
                return request;
            }
        }
    }
}

fn take(stream: UnixStream) -> io::Result<(Request, UnixStream)> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(REQUEST_MAX))?;
    stream.set_write_timeout(Some(REQUEST_MAX))?;
    #[cfg(target_os = "linux")]
    {
        let user = rustix::net::sockopt::socket_peercred(&stream)?.uid;
        if user != rustix::process::geteuid() && !user.is_root() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
    }
    let mut line = String::new();
    BufReader::new(stream.try_clone()?.take(1024)).read_line(&mut line)?;
    Ok((serde_json::from_str(&line)?, stream))
}

/// Answers with one line.
pub(crate) fn answer<T: Serialize>(mut stream: &UnixStream, answer: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Gives the sockets away.
pub(crate) fn hand_over(
    stream: &UnixStream,
    mut legacy: Legacy,
    first: &[OwnedFd],
    second: &[OwnedFd],
) -> io::Result<()> {
    let sockets: Vec<_> = first.iter().chain(second).map(AsFd::as_fd).collect();
    legacy.first = first.len();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other(format!("{} sockets are more than can be handed over", sockets.len())));
    }
    let mut line = serde_json::to_vec(&legacy)?;
    line.push(b'\n');
    // The first byte carries the sockets; the rest may need several writes.
    sendmsg(stream, &[IoSlice::new(&line[..1])], &mut beside, SendFlags::empty())?;
    let mut stream = stream;
    stream.write_all(&line[1..])
}

impl Legacy {
    pub(crate) fn new(token: Option<String>, host: &str, port: u16, dashboard: Option<u16>) -> Legacy {
        Legacy { token, host: host.to_owned(), port, dashboard, first: 0 }
    }
}

/// What was handed over.
pub(crate) struct Inherited {
    pub(crate) legacy: Legacy,
    pub(crate) first: Vec<OwnedFd>,
    pub(crate) second: Vec<OwnedFd>,
}

fn connect(folder: &Path, request: Request) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(folder.join(FILE))?;
    stream.set_read_timeout(Some(REQUEST_MAX))?;
    stream.set_write_timeout(Some(REQUEST_MAX))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(stream)
}

/// Asks a monitor for something that is answered with one line.
pub(crate) fn ask(folder: &Path, request: Request) -> io::Result<Value> {
    let mut line = String::new();
    BufReader::new(connect(folder, request)?.take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Takes a monitor's sockets, and waits until it has ended: its store is free then.
pub(crate) fn take_over(folder: &Path) -> io::Result<Inherited> {
    let mut stream = connect(folder, Request::HandOver)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut first_byte = [0];
    recvmsg(&stream, &mut [IoSliceMut::new(&mut first_byte)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets: Vec<OwnedFd> = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    let mut line = String::from_utf8_lossy(&first_byte).into_owned();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut line)?;
    let legacy: Legacy = serde_json::from_str(&line)?;
    // The other end is open for as long as that process has something to write down.
    stream.set_read_timeout(Some(END_MAX))?;
    stream.read_to_end(&mut Vec::new())?;
    let second = sockets.split_off(legacy.first.min(sockets.len()));
    Ok(Inherited { legacy, first: sockets, second })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listening_sockets_go_from_one_process_to_the_next_with_what_waits_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let guard = runtime.enter();
        let control = Control::open(folder.path()).unwrap();
        drop(guard);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let path = folder.path().to_owned();
        let taking = std::thread::spawn(move || take_over(&path).unwrap());
        let (request, stream) = runtime.block_on(control.next());
        assert_eq!(request, Request::HandOver);
        let legacy = Legacy::new(Some("secret".to_owned()), "localhost", port, None);
        hand_over(&stream, legacy, &[listener.as_fd().try_clone_to_owned().unwrap()], &[]).unwrap();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        drop((listener, stream));

        let inherited = taking.join().unwrap();

        assert_eq!(inherited.legacy.token.as_deref(), Some("secret"));
        assert!(inherited.second.is_empty());
        let listener = TcpListener::from(inherited.first.into_iter().next().unwrap());
        assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
    }
}
