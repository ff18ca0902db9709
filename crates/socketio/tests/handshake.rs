//! How a connection begins, and which requests get the protocol's errors.

use crate::peers::{Heard, TestServer, assert_refused};
use serde_json::{Value, json};
use socketio::Config;
use socketio::websocket::Error;
use tokio::net::TcpStream;

#[tokio::test]
async fn the_open_packet_tells_the_timings_and_the_upgrade() {
    let server = TestServer::start().await;
    let (status, body) = server.http("GET", "?EIO=4&transport=polling", b"").await;
    let mut open: Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
    assert!(open["sid"].take().as_str().unwrap().len() == 20);
    let expected = json!({"sid": null, "upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000});
    assert_eq!((status, open), (200, expected));

    let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    let open: Value = serde_json::from_str(&client.text().await[1..]).unwrap();
    assert_eq!(open["upgrades"], json!([]));
}

#[tokio::test]
async fn requests_that_make_no_sense_get_the_reference_codes() {
    let mut server = TestServer::start().await;
    let cases = [
        ("GET", "?EIO=4", 0, "Transport unknown"),
        ("GET", "?EIO=4&transport=pigeon", 0, "Transport unknown"),
        ("GET", "?EIO=4&transport=polling&sid=nobody", 1, "Session ID unknown"),
        ("POST", "?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 1, "Session ID unknown"),
        ("POST", "?EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET", "?EIO=4&transport=websocket", 3, "Bad request"),
        ("GET", "?EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "?transport=polling", 5, "Unsupported protocol version"),
    ];
    for (method, query, code, message) in cases {
        assert_refused(server.http(method, query, b"").await, 400, code, message);
        let told = |heard| if let Heard::EngineRefused(code) = heard { Some(code) } else { None };
        assert_eq!(server.hears("the refusal", told).await, code);
    }
    assert_eq!(server.server.stats().refused, 8);
    assert_eq!(server.http("OPTIONS", "?EIO=4&transport=polling", b"").await.0, 204);
}

#[tokio::test]
async fn a_transport_that_is_switched_off_is_unknown() {
    let server = TestServer::with(Config { websocket: false, ..Config::default() }).await;
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let path = "/socket.io/?EIO=4&transport=websocket";
    let refused = socketio::websocket::connect(stream, "x", path, &[], 1000).await;
    assert!(matches!(refused, Err(Error::Handshake(status)) if status.contains("400")));
    let (_, body) = server.http("GET", "?EIO=4&transport=polling", b"").await;
    assert!(body.contains(r#""upgrades":[]"#));
}

#[tokio::test]
async fn a_handler_can_see_who_is_there() {
    let mut server = TestServer::start().await;
    let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket&client=t%C3%A9st").await;
    client.text().await;
    client.join("/", None).await;
    let socket = server.socket().await;
    let handshake = socket.handshake();
    assert_eq!(handshake.header("user-agent"), Some("tests/1"));
    assert_eq!(handshake.query("client"), Some("tést"));
    assert!(handshake.remote.unwrap().ip().is_loopback());
    assert_eq!(handshake.url, "/socket.io/?EIO=4&transport=websocket&client=t%C3%A9st");
}
