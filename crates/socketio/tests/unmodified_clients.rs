//! Other people's clients, as they are: socket.io-client for Node and python-socketio, threads and asyncio, over
//! WebSocket, polling, and from one to the other.

use crate::peers::{self, Heard, TestServer, within};
use crate::programs::{Program, node, python};
use serde_json::{Value, json};
use socketio::engine::Transport;
use socketio::packet::placeholder;
use socketio::{AckError, Config, Encoded, Json, Server, Socket};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Long enough to be asked, too short to be answered by who answers late.
const SHORT: Duration = Duration::from_millis(200);

const NAMESPACES: [&str; 8] = ["/", "/hook", "/session", "/claude", "/agent", "/todo", "/memory", "/log"];

/// Every client over every transport; none for the way from polling to WebSocket.
const CLIENTS: [(&str, Option<&str>); 9] = [
    ("node", Some("websocket")),
    ("node", Some("polling")),
    ("node", None),
    ("python", Some("websocket")),
    ("python", Some("polling")),
    ("python", None),
    ("python --asyncio", Some("websocket")),
    ("python --asyncio", Some("polling")),
    ("python --asyncio", None),
];

fn client(port: u16, which: (&str, Option<&str>), namespaces: &str, auth: &Value) -> Option<Program> {
    let (url, auth) = (format!("http://127.0.0.1:{port}"), auth.to_string());
    let mut arguments = vec!["--url", &url, "--namespaces", namespaces, "--auth", &auth];
    if let Some(transport) = which.1 {
        arguments.extend(["--transport", transport]);
    }
    match which.0 {
        "node" => node("answer.mjs", &arguments),
        "python" => python("answer.py", &arguments),
        _ => python("answer.py", &[&arguments[..], &["--asyncio"]].concat()),
    }
}

async fn server() -> TestServer {
    let server = TestServer::start().await;
    NAMESPACES.iter().for_each(|namespace| server.server.declare_namespace(namespace));
    server
}

/// The next line with this event, or any answer for none; others are skipped.
async fn line(client: &mut Program, event: Option<&str>) -> Value {
    loop {
        let line = client.line(event.unwrap_or("an answer")).await;
        let is_wanted = match event {
            Some(event) => line["event"] == event,
            None => line.get("event").is_none(),
        };
        if is_wanted {
            return line;
        }
    }
}

/// Asks through the client, with this patience in milliseconds.
async fn ask(client: &mut Program, namespace: &str, event: &str, args: &[Value], timeout: u64) -> Value {
    client.tell(&json!({"namespace": namespace, "event": event, "args": args, "timeout": timeout})).await;
    line(client, None).await
}

/// The socket that joined a namespace.
fn socket(server: &Server, namespace: &str) -> Socket {
    server.sockets(namespace).remove(0)
}

/// Starts each client against a server of its own and tells its story.
async fn check(auth: &Value, namespaces: &str, story: impl AsyncFn(&mut TestServer, &mut Program, &str)) {
    for which in CLIENTS {
        let mut server = server().await;
        let Some(mut client) = client(server.port, which, namespaces, auth) else { continue };
        for _ in namespaces.split(',') {
            line(&mut client, Some("connect")).await;
        }
        story(&mut server, &mut client, &format!("{} over {}", which.0, which.1.unwrap_or("both"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_namespaces_share_a_connection_and_each_gets_its_own_events() {
    check(&json!({"room": "red"}), &NAMESPACES.join(","), async |server, client, which| {
        assert_eq!(server.server.stats().opened, 1, "{which}");
        for namespace in NAMESPACES {
            let answer = ask(client, namespace, "ask", &[json!(namespace)], 20_000).await;
            assert_eq!(answer, json!({"namespace": namespace, "answer": [namespace]}), "{which}");
            let news = Encoded::event(namespace, "news", &[Json::Value(&json!(namespace)), Json::Raw("2")]);
            assert_eq!(server.server.to(namespace).room("blue").emit(&news), 0);
            assert_eq!(server.server.to(namespace).room("red").emit(&news), 1);
            let news = line(client, Some("news")).await;
            assert_eq!(news, json!({"namespace": namespace, "event": "news", "args": [namespace, 2]}), "{which}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_both_ways_and_who_gets_none_is_told_in_time() {
    check(&json!({}), "/hook", async |server, client, which| {
        let unicode = json!({"é": ["zwölf 🥊", "\u{0}\u{1e}\u{2028}\u{202e}", "\\u0041", -1.5, null]});
        let answer = ask(client, "/hook", "ask", &[unicode.clone(), json!(2)], 20_000).await;
        assert_eq!(answer["answer"], json!([unicode, 2]), "{which}");
        assert_eq!(server.event().await.args, [unicode.clone(), json!(2)], "{which}");
        let unanswered = ask(client, "/hook", "never answered", &[], 100).await;
        assert!(unanswered["error"].is_string(), "{which}: {unanswered}");

        let socket = socket(&server.server, "/hook");
        let answer = within("an answer", socket.emit_with_ack("ask", &[unicode.clone(), json!(2)], SOON)).await;
        assert_eq!(answer.unwrap().args, [unicode, json!(2)], "{which}");
        assert_eq!(socket.emit_with_ack("never answered", &[], SHORT).await, Err(AckError::Timeout), "{which}");
        assert!(socket.is_connected(), "{which}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_hundred_kilobytes_pass_in_both_directions() {
    check(&json!({}), "/hook", async |server, client, which| {
        // Python escapes what is not ASCII, which would be six bytes for two.
        let text = json!("x".repeat(900_000));
        let answer = ask(client, "/hook", "ask", std::slice::from_ref(&text), 20_000).await;
        assert!(answer["answer"] == json!([text]), "{which}");
        // Polling makes four bytes of three, and the limit is a million.
        let is_polling = socket(&server.server, "/hook").transport() == Transport::Polling;
        let bytes = if is_polling { 700_000 } else { 900_000 };
        let answer = ask(client, "/hook", "ask", &[json!({"bytes": bytes}), json!(2)], 20_000).await;
        assert_eq!(answer["answer"], json!([{"bytes": bytes}, 2]), "{which}");

        let socket = socket(&server.server, "/hook");
        socket.emit("news", std::slice::from_ref(&text)).unwrap();
        assert!(line(client, Some("news")).await["args"] == json!([text]), "{which}");
        socket.emit_binary("news", &[placeholder(0)], &[peers::bytes(900_000)]).unwrap();
        assert_eq!(line(client, Some("news")).await["args"], json!([{"bytes": 900_000}]), "{which}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_come_back_after_a_restart_by_themselves() {
    for which in CLIENTS {
        let server = server().await;
        let Some(mut client) = client(server.port, which, "/,/hook", &json!({})) else { continue };
        for _ in 0..2 {
            line(&mut client, Some("connect")).await;
        }
        let port = server.stop().await;
        for _ in 0..2 {
            line(&mut client, Some("disconnect")).await;
        }
        let server = TestServer::at(port, Config::default());
        for _ in 0..2 {
            line(&mut client, Some("connect")).await;
        }
        for namespace in ["/", "/hook"] {
            let answer = ask(&mut client, namespace, "ask", &[json!("back")], 20_000).await;
            assert_eq!(answer["answer"], json!(["back"]), "{which:?}");
        }
        assert_eq!(server.server.stats().opened, 1, "{which:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_the_program_with_its_message_and_data() {
    for which in CLIENTS {
        let mut server = server().await;
        let Some(mut client) = client(server.port, which, "/hook", &json!({"token": "wrong"})) else { continue };
        let told = line(&mut client, Some("connect_error")).await["args"].take();
        // Node has an error with data, Python the whole object.
        let expected = if which.0 == "node" {
            json!(["Invalid authentication token", 7])
        } else {
            json!([{"message": "Invalid authentication token", "data": 7}])
        };
        assert_eq!(told, expected, "{which:?}");
        let refused = |heard| if let Heard::ConnectRefused(message) = heard { Some(message) } else { None };
        assert_eq!(server.hears("the refusal", refused).await, "Invalid authentication token");
    }
}
