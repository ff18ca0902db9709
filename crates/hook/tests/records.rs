//! What comes on stdin is in the spool, byte for byte.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::SystemTime;

use crate::home::{Home, assert_silent};

#[test]
fn a_hook_leaves_one_frame_with_its_time_and_its_parent() {
    let home = Home::new();
    let now_ns = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let before = now_ns();
    home.run(b"{\"hook_event_name\":\"Stop\"}");
    let frames = home.frames();
    assert_eq!(frames.len(), 1);
    let (stamp, payload) = &frames[0];
    assert_eq!(payload, b"{\"hook_event_name\":\"Stop\"}");
    assert_eq!(stamp.parent_pid, std::process::id());
    assert!((before..=now_ns()).contains(&stamp.time_ns));
    assert!(!stamp.is_cut && !stamp.is_late);
    let mode = |name: &str| fs::metadata(home.spool().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("current")), (0o700, 0o600));
    assert_eq!(fs::read_dir(home.spool()).unwrap().count(), 1, "a temporary file stayed behind");
}

#[test]
fn who_asks_what_it_is_is_told_and_nothing_is_recorded() {
    let home = Home::new();
    for (flag, says) in [("--help", "Usage: claude-mpm-hook"), ("--version", env!("CARGO_PKG_VERSION"))] {
        // A stdin that stays open: it must not be waited for.
        let mut command = home.command();
        let mut child = command.arg(flag).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let said = child.wait_with_output().unwrap();
        drop(stdin);
        assert_eq!(said.status.code(), Some(0));
        assert!(String::from_utf8(said.stdout).unwrap().contains(says), "{flag}");
    }
    assert!(home.frames().is_empty());
}

#[test]
fn any_bytes_of_any_size_come_through_pipes_sockets_and_files() {
    let noise: Vec<u8> = (0..5_500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let magic = [event::frame::MAGIC; 100].concat();
    for payload in [&b""[..], b"no json at all", &magic, &noise[..70_000], &noise] {
        let home = Home::new();
        home.run(payload);

        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = home.start(OwnedFd::from(theirs));
        (&ours).write_all(payload).unwrap();
        drop(ours);
        assert_silent(&child.wait_with_output().unwrap());

        let path = home.path().join("input");
        fs::write(&path, payload).unwrap();
        assert_silent(&home.start(File::open(&path).unwrap()).wait_with_output().unwrap());

        let payloads: Vec<_> = home.frames().into_iter().map(|(_, payload)| payload).collect();
        assert!(payloads == vec![payload.to_vec(); 3], "{} bytes", payload.len());
    }
}

#[test]
fn what_is_too_large_is_cut_and_says_so() {
    let home = Home::new();
    let payload = vec![b'x'; (32 << 20) + 1];
    home.run(&payload);
    home.run(&payload[1..]);
    let sizes: Vec<_> = home.frames().iter().map(|(stamp, payload)| (payload.len(), stamp.is_cut)).collect();
    assert_eq!(sizes, [(32 << 20, true), (32 << 20, false)]);
}

#[test]
fn many_at_once_on_a_new_home_lose_nothing() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let home = &home;
            scope.spawn(move || (0..8).for_each(|turn| home.run(format!("{thread}-{turn}").as_bytes())));
        }
    });
    let mut payloads: Vec<_> = home.frames().into_iter().map(|(_, payload)| payload).collect();
    payloads.sort();
    payloads.dedup();
    assert_eq!((payloads.len(), home.segments().len(), home.given_up()), (128, 1, 0));
}

#[test]
fn a_port_has_its_own_spool() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["--port", "9001"]).env("SOCKETIO_PORT", "9002");
    assert_silent(&command.stdin(File::open("/dev/null").unwrap()).output().unwrap());
    assert!(home.path().join(".claude-mpm/spool/9001/current").exists());
    assert!(!home.path().join(".claude-mpm/spool/9002").exists());
}
