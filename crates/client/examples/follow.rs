//! Prints every event of some namespaces, one a line, and misses none while the server restarts, if it offers recovery.
//! `cargo run -p client --example follow -- http://localhost:8765 /hook /session`

use client::{Client, Config, Incoming, Socket};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("follow URL NAMESPACE…")?;
    let auth = std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").map_or(json!({}), |token| json!({"token": token}));
    let client = Client::connect(&url, Config { auth, recovery: true, ..Config::default() })?;
    let sockets = arguments.map(|namespace| client.socket(&namespace)).collect::<Result<Vec<_>, _>>()?;
    let followers: Vec<_> = sockets.into_iter().map(|socket| tokio::spawn(follow(socket))).collect();
    for follower in followers {
        follower.await??;
    }
    Ok(())
}

async fn follow(socket: Socket) -> std::io::Result<()> {
    let namespace = socket.namespace().to_owned();
    while let Some(incoming) = socket.next().await {
        let line = match incoming {
            Incoming::Joined(joined) if joined.recovered => "joined again, with what was missed".to_owned(),
            Incoming::Joined(joined) => format!("joined as {}", joined.id),
            Incoming::Event { event, .. } => format!("{} {}", event.name, Value::Array(event.args)),
            Incoming::Lost { events } => format!("was read too slowly, and {events} events are lost"),
            Incoming::Disconnected { reason } => format!("disconnected: {reason}"),
            Incoming::Refused(refusal) => refusal.to_string(),
        };
        // One write a line, or lines of several namespaces would mix.
        std::io::stdout().write_all(format!("{namespace} {line}\n").as_bytes())?;
    }
    Ok(())
}
