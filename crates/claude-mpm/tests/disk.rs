//! While the disk takes nothing, nothing is lost or claimed: doors say so, viewers see events marked, and it goes on by
//! itself when there is room again.

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor, eventually};

/// A monitor whose home is a disk of 16 MiB, 8 of which a ballast file takes.
fn monitor_on_a_small_disk(home: &Home) -> Option<Monitor> {
    support::program_on_path("unshare")?;
    let allowed =
        std::process::Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        assert!(std::env::var_os("CI").is_none(), "no mount namespaces here, and a skip is a failure in CI");
        eprintln!("skipped: no mount namespaces here");
        return None;
    }
    let program = home.program(&[]);
    let script = "mount -t tmpfs -o size=16m none \"$HOME\" && head -c 8388608 /dev/zero > \"$HOME/ballast\" && exec \"$0\" monitor start --foreground --port 0";
    let mut command = std::process::Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", script])
        .arg(program.get_program())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap());
    Some(Monitor::start(command))
}

fn emit(monitor: &Monitor, number: usize) -> (u16, Value) {
    // What compresses badly fills a disk soonest.
    let noise: String = (0..12_000_u64)
        .map(|at| char::from(33 + ((at + 7).wrapping_mul(number as u64 * 2_654_435_761 + 97) >> 7) as u8 % 90))
        .collect();
    let event = json!({ "namespace": "/system", "event": "filler", "data": { "number": number, "noise": noise } });
    let (status, body) = monitor.post("/emit", &event.to_string());
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn a_full_disk_refuses_events_shows_them_and_takes_them_again_when_there_is_room() {
    let home = Home::new();
    let Some(monitor) = monitor_on_a_small_disk(&home) else { return };
    let mut follower = support::node("follow.mjs", &[]).map(|mut follower| {
        follower.args(["--url", &monitor.url(""), "--namespaces", "/system"]);
        let mut follower = Follower::start(follower);
        follower.event("/system", "connect");
        follower
    });

    let mut acknowledged = Vec::new();
    let refused = (0..5_000).find_map(|number| match emit(&monitor, number) {
        (200, answer) => {
            acknowledged.push((number, answer["seq"].as_u64().unwrap()));
            None
        }
        refused => Some((number, refused)),
    });
    let (number, (status, answer)) = refused.expect("the disk fills up");
    assert_eq!(status, 503, "{answer}");
    assert_eq!(answer["error"]["code"], "not_stored");
    if let Some(follower) = &mut follower {
        let shown = follower.wait("the event that was not stored", |said| said["data"]["number"] == number);
        assert_eq!((&shown["data"]["stored"], &shown["data"]["seq"]), (&json!(false), &Value::Null), "{shown}");
    }
    for (number, seq) in acknowledged.iter().rev().take(5) {
        assert_eq!(monitor.get(&format!("/api/v1/events/{seq}"))["data"]["number"], *number);
    }

    let metrics = || monitor.request("GET", "/metrics", &[], "").1;
    let told = metrics();
    assert!(told.contains("\nclaude_mpm_store_writable 0\n") && !told.contains("store_failures_total 0"), "{told}");

    let health = monitor.get("/health");
    assert_eq!(health["health"], "degraded");
    assert!(health["reasons"][0].as_str().unwrap().starts_with("the disk takes no events"), "{health}");

    let ballast = format!("/proc/{}/root{}", monitor.pid(), home.path().join("ballast").display());
    std::fs::remove_file(ballast).unwrap();
    let seq = eventually("events are taken again", || match emit(&monitor, 9_999) {
        (200, answer) => answer["seq"].as_u64(),
        _ => None,
    });
    assert!(metrics().contains("\nclaude_mpm_store_writable 1\n"));
    let health = monitor.get("/health");
    assert_eq!((&health["health"], health.get("reasons")), (&json!("healthy"), None));
    let last = acknowledged.last().unwrap().1;
    assert_eq!(seq, last + 1, "the numbers of what was refused are free again");
}

/// A library that makes the disk refuse to make anything durable while a file is there.
const NO_SYNC: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int refused(void) {
    const char *path = getenv("SYNC_FAILS_WHILE");
    return path && access(path, F_OK) == 0;
}
int fsync(int file) {
    if (refused()) { errno = EIO; return -1; }
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    return real(file);
}
int fdatasync(int file) {
    if (refused()) { errno = EIO; return -1; }
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    return real(file);
}
"#;

#[test]
fn a_disk_that_fails_to_sync_loses_nothing_acknowledged_and_what_it_refused_is_said() {
    let home = Home::new();
    if support::program_on_path("cc").is_none() {
        return;
    }
    let library = home.path().join("nosync.so");
    let mut cc = std::process::Command::new("cc");
    cc.args(["-shared", "-fPIC", "-x", "c", "-", "-ldl", "-o"]).arg(&library).stdin(std::process::Stdio::piped());
    let mut cc = cc.spawn().unwrap();
    std::io::Write::write_all(&mut cc.stdin.take().unwrap(), NO_SYNC.as_bytes()).unwrap();
    assert!(cc.wait().unwrap().success());
    let broken = home.path().join("broken");
    let mut command = home.program(&["monitor", "start", "--foreground", "--no-dashboard", "--port", "0"]);
    command.env("LD_PRELOAD", &library).env("SYNC_FAILS_WHILE", &broken);
    let monitor = Monitor::start(command);
    let port = monitor.port;
    let mut follower = support::node("follow.mjs", &[]).map(|mut follower| {
        follower.args(["--url", &monitor.url(""), "--namespaces", "/system"]);
        let mut follower = Follower::start(follower);
        follower.event("/system", "connect");
        follower
    });

    let mut acknowledged = Vec::new();
    let mut tell = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            let (status, answer) = emit(&monitor, number);
            assert_eq!(status, 200, "{answer}");
            acknowledged.push((number, answer["seq"].as_u64().unwrap()));
        }
    };
    tell(0..30);
    for turn in 0..3 {
        std::fs::write(&broken, b"").unwrap();
        for number in 1_000 + turn * 10..1_010 + turn * 10 {
            let (status, answer) = emit(&monitor, number);
            assert_eq!((status, &answer["error"]["code"]), (503, &json!("not_stored")), "{answer}");
            if let Some(follower) = &mut follower {
                let shown = follower.wait("the event that was not stored", |said| said["data"]["number"] == number);
                assert_eq!(shown["data"]["stored"], false, "{shown}");
            }
        }
        assert!(monitor.request("GET", "/metrics", &[], "").1.contains("\nclaude_mpm_store_writable 0\n"));
        std::fs::remove_file(&broken).unwrap();
        tell(30 + turn * 40..70 + turn * 40);
        assert!(monitor.request("GET", "/metrics", &[], "").1.contains("\nclaude_mpm_store_writable 1\n"));
    }
    assert!(
        acknowledged.is_sorted_by(|(_, one), (_, other)| one + 1 == *other),
        "numbers of what was refused are free"
    );
    let check = |monitor: &Monitor| {
        let numbered = |event: &Value| Some((event["data"]["number"].as_u64()? as usize, event["seq"].as_u64()?));
        let kept: Vec<_> = monitor.history().iter().filter_map(numbered).collect();
        assert_eq!(kept, acknowledged);
    };
    check(&monitor);
    monitor.kill();
    check(&home.monitor_on(port));
}
