//! Sends one event, waits until the server has it, and prints the answer.
//! `cargo run -p client --example emit -- http://localhost:8765 /hook post_tool '{"tool_name":"Edit"}'`; a token is taken
//! from `CLAUDE_MPM_SOCKETIO_TOKEN`.

use client::{Client, Config};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, namespace, event, data] = &arguments[..] else { return Err("emit URL NAMESPACE EVENT JSON".into()) };
    let data: Value = serde_json::from_str(data)?;
    let auth = std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").map_or(json!({}), |token| json!({"token": token}));
    let client = Client::connect(url, Config { auth, ..Config::default() })?;
    let socket = client.socket(namespace)?;
    let answer = socket.emit_with_ack(event, &[data], Duration::from_secs(5)).await?;
    writeln!(std::io::stdout(), "{}", Value::Array(answer.args))?;
    client.close().await;
    Ok(())
}
