//! Whatever happens: silent, exit 0, soon over, and counted if nothing else can be done.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use event::frame::{HEADER_BYTES, Header};

use crate::home::{Home, assert_silent};

#[test]
fn stdin_that_never_ends_is_recorded_as_far_as_it_came() {
    let home = Home::new();
    let started = Instant::now();
    let mut by_pipe = home.start(Stdio::piped());
    by_pipe.stdin.as_mut().unwrap().write_all(b"through a pipe").unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut by_socket = home.start(OwnedFd::from(theirs));
    ours.write_all(b"through a socket").unwrap();
    // Both keep their ends open.
    let stdin = by_pipe.stdin.take();
    assert!(by_pipe.wait().unwrap().success() && by_socket.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(10));
    drop((stdin, ours));
    let mut found: Vec<_> = home.frames().into_iter().map(|(stamp, payload)| (payload, stamp.is_late)).collect();
    found.sort();
    assert_eq!(found, [(b"through a pipe".to_vec(), true), (b"through a socket".to_vec(), true)]);
}

#[test]
fn without_a_home_or_a_place_to_write_it_is_still_silent() {
    let home = Home::new();
    let run = |command: &mut Command| assert_silent(&command.stdin(File::open("/dev/null").unwrap()).output().unwrap());
    run(home.command().env_remove("HOME"));
    run(home.command().env("HOME", "/dev/null"));
    run(home.command().env("CLAUDE_MPM_HOME", "/proc/none"));
    run(home.command().args(["--port", "none", "--cap-bytes", "-1", "\u{fffd}", "--what"]));
    fs::create_dir_all(home.spool()).unwrap();
    fs::create_dir(home.spool().join("current")).ok();
    run(&mut home.command());
}

#[test]
fn beyond_the_cap_events_are_counted_instead_of_kept() {
    let home = Home::new();
    for _ in 0..10 {
        let mut command = home.command();
        command.args(["--cap-bytes", "1000"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&[b'x'; 200]).unwrap();
        assert_silent(&child.wait_with_output().unwrap());
    }
    assert_eq!((home.frames().len(), home.given_up()), (4, 6));
}

#[test]
fn a_read_only_spool_is_no_error_to_the_client() {
    let home = Home::new();
    fs::create_dir_all(home.spool()).unwrap();
    fs::set_permissions(home.spool(), Permissions::from_mode(0o500)).unwrap();
    home.run(b"{}");
    fs::set_permissions(home.spool(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_full_disk_tears_nothing_and_is_counted() {
    let home = Home::new();
    fs::create_dir_all(home.spool()).unwrap();
    // Small hooks fill the file system of 256 KB; the hook's own test of it runs inside.
    let script = "mount -t tmpfs -o size=256k none \"$1\" || exit 77
        for turn in 1 2 3 4 5 6 7 8; do head -c 40000 /dev/zero | \"$2\" || exit 1; done
        cp \"$1/current\" \"$3\"; stat -c %s \"$1/given-up\"";
    let copy = home.path().join("copy");
    let ran = home
        .command_as("unshare")
        .args(["-rm", "sh", "-c", script, "sh"])
        .args([&home.spool(), Path::new(env!("CARGO_BIN_EXE_claude-mpm-hook")), &copy])
        .output();
    match ran {
        Ok(output) if output.status.success() => {
            let frames = crate::home::frames_of(&fs::read(copy).unwrap());
            let given_up: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            assert!(frames.len() >= 4, "{}", frames.len());
            assert_eq!(frames.len() + given_up, 8);
            assert!(frames.iter().all(|(_, payload)| payload.len() == 40_000));
        }
        _ => println!("not run: this machine permits no file system of its own (unshare -rm)"),
    }
}

#[test]
fn a_server_that_hangs_with_the_lock_costs_time_but_no_event() {
    let home = Home::new();
    home.run(b"first");
    let current = File::open(home.spool().join("current")).unwrap();
    current.lock().unwrap();
    let started = Instant::now();
    home.run(b"second");
    assert!(started.elapsed() < Duration::from_secs(5));
    let mut payloads: Vec<_> = home.frames().into_iter().map(|(_, payload)| payload).collect();
    payloads.sort();
    assert_eq!(payloads, [b"first".to_vec(), b"second".to_vec()]);
    assert_eq!(home.segments().len(), 2);
}

#[test]
fn a_hook_that_is_killed_leaves_a_spool_that_others_use() {
    let home = Home::new();
    for turn in 0..30_u64 {
        let mut child = home.start(Stdio::piped());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&vec![b'k'; 300_000]).unwrap();
        drop(stdin);
        // Spread over the time a hook takes, so that some die in the middle.
        let until = Instant::now() + Duration::from_micros(turn * 60);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        home.run(b"{\"after\":true}");
    }
    let frames = home.frames();
    assert_eq!(frames.iter().filter(|(_, payload)| payload == b"{\"after\":true}").count(), 30);
    assert!(frames.iter().all(|(_, payload)| payload.len() == 300_000 || payload == b"{\"after\":true}"));
}

#[test]
fn frames_go_on_after_a_torn_one() {
    let home = Home::new();
    home.run(b"before");
    let path = home.spool().join("current");
    let bytes = fs::read(&path).unwrap();
    let torn = &bytes[HEADER_BYTES..bytes.len() - 2];
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
    home.run(b"after");
    let payloads: Vec<_> = home.frames().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [b"before".to_vec(), b"after".to_vec()]);
    assert!(Header::decode(&bytes).is_some());
}
