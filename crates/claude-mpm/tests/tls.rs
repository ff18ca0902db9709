//! With a certificate the port speaks TLS, and programs of this machine need none of it.

use std::process::Command;

use serde_json::json;

use crate::support::{self, Follower, Home, Monitor};

/// A certificate for this machine and its key, as files in `home`.
fn certificate(home: &Home) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (home.path().join("monitor.crt"), home.path().join("monitor.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
}

fn trusting(mut client: Command, certificate: &str) -> Follower {
    client.env("NODE_EXTRA_CA_CERTS", certificate);
    Follower::start(client)
}

#[test]
fn clients_speak_tls_over_every_transport_and_hooks_go_on_without() {
    let home = Home::new();
    let (certificate, key) = certificate(&home);
    let arguments = ["monitor", "start", "--foreground", "--port", "0", "--tls-cert", &certificate, "--tls-key", &key];
    let monitor = Monitor::start(home.program(&arguments));
    assert!(monitor.said.contains("https://localhost:"), "{}", monitor.said);
    // From this machine, without TLS: health, the page, hooks.
    assert_eq!(monitor.get("/health")["status"], "running");

    let url = format!("https://localhost:{}", monitor.port);
    for transport in ["polling", "websocket"] {
        let arguments = ["--url", &url, "--namespaces", "/,/log", "--transport", transport];
        let Some(client) = support::node("follow.mjs", &arguments) else { return };
        let mut client = trusting(client, &certificate);
        client.event("/log", "connect");
        monitor.post("/emit", r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"safe"}}"#);
        assert_eq!(client.event("/log", "message")["data"]["message"], "safe");
    }
    let url = format!("wss://localhost:{}/ws", monitor.port);
    let mut client = trusting(support::node("raw.mjs", &["--url", &url]).unwrap(), &certificate);
    client.wait("hello", |said| said["type"] == "hello");
    client.tell(&json!({ "command": "ping" }));
    client.wait("pong", |said| said["type"] == "pong");

    let stranger = support::node("raw.mjs", &["--url", &url]).unwrap();
    let refused = Follower::start(stranger).wait("a client that does not trust it", |said| said["failed"].is_string());
    assert!(refused["failed"].as_str().unwrap().contains("certificate"), "{refused}");
}

#[test]
fn files_that_are_no_certificate_are_named_and_nothing_starts() {
    let home = Home::new();
    let (certificate, key) = certificate(&home);
    let junk = home.path().join("junk.pem");
    std::fs::write(&junk, "nothing here").unwrap();
    let junk = junk.to_str().unwrap();
    let absent = home.path().join("absent.pem");
    let absent = absent.to_str().unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().signing_key.serialize_pem();
    let foreign = home.path().join("foreign.key");
    std::fs::write(&foreign, other).unwrap();
    let foreign = foreign.to_str().unwrap();
    for (cert, key, named, reason) in [
        (junk, key.as_str(), junk, "no certificate"),
        (absent, key.as_str(), absent, "No such file"),
        (certificate.as_str(), junk, junk, "no private key"),
        (certificate.as_str(), foreign, certificate.as_str(), "key"),
    ] {
        let arguments = ["monitor", "start", "--foreground", "--port", "0", "--tls-cert", cert, "--tls-key", key];
        let ended = home.program(&arguments).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{error}");
        assert!(error.contains(named) && error.contains(reason) && error.contains("Suggestion: "), "{error}");
    }
    let only = home.program(&["monitor", "start", "--foreground", "--port", "0", "--tls-cert", &certificate]);
    let ended = { only }.output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("only the certificate is named"));
}
