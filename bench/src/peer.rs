//! What the fan-out benchmark compares the monitor with, in this program: its Socket.IO crate without a store, and the
//! least that any server must do, one write of a ready frame for each delivery.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use socketio::engine::ConnectionInfo;
use socketio::websocket::{Opcode, accept_key, server_frame};
use socketio::{Config, Encoded, Handler, Json, Server};

/// The port that the benchmark chose.
fn port() -> Result<u16> {
    std::env::var("PORT").context("reading PORT")?.parse().context("PORT is no number")
}

struct Nobody;

impl Handler for Nobody {}

/// Serves the crate `socketio` and the monitor's `/emit` door.
pub(crate) async fn socketio() -> Result<()> {
    let server = Server::new(Config::default(), Nobody);
    server.declare_namespace("/hook");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port()?)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = server.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(answer(&server, request).await) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            // An error here is a client that went away.
            let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

async fn answer(server: &Server, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/socket.io/" => server.handle(request, ConnectionInfo::default()).await,
        "/emit" => {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let posted: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (namespace, event) = (posted["namespace"].as_str(), posted["event"].as_str());
            let (namespace, event) = (namespace.unwrap_or("/"), event.unwrap_or("none"));
            server.to(namespace).emit(&Encoded::event(namespace, event, &[Json::Value(&posted["data"])]));
            Response::new(Full::from(r#"{"status":"ok"}"#))
        }
        _ => Response::new(Full::from("{}")),
    }
}

/// Serves just enough of the protocol for the benchmark's clients, with a thread for each connection.
pub(crate) fn raw() -> Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port()?))?;
    let joined = Arc::new(Mutex::new(Vec::new()));
    for stream in listener.incoming() {
        let (stream, joined) = (stream?, Arc::clone(&joined));
        stream.set_nodelay(true)?;
        // An error here is a client that went away.
        std::thread::Builder::new().stack_size(128 * 1024).spawn(move || drop(raw_connection(stream, &joined)))?;
    }
    Ok(())
}

fn raw_connection(stream: TcpStream, joined: &Mutex<Vec<TcpStream>>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let (mut first, mut length, mut key) = (String::new(), 0, None);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "sec-websocket-key" => key = Some(value.to_owned()),
                _ => {}
            }
        }
        if let Some(key) = key {
            let accept = accept_key(key.as_bytes());
            let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
            write!(writer, "{upgrade}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")?;
            let open = r#"0{"sid":"x","upgrades":[],"pingInterval":3600000,"pingTimeout":20000,"maxPayload":1000000}"#;
            writer.write_all(&server_frame(Opcode::Text, open.as_bytes()))?;
            writer.write_all(&server_frame(Opcode::Text, br#"40/hook,{"sid":"y"}"#))?;
            joined.lock().unwrap_or_else(PoisonError::into_inner).push(writer.try_clone()?);
            // What the client says is of no interest.
            std::io::copy(&mut reader, &mut std::io::sink())?;
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if first.starts_with("POST") {
            let posted: Value = serde_json::from_slice(&body)?;
            let text = format!("42/hook,[{},{}]", posted["event"], posted["data"]);
            let frame = server_frame(Opcode::Text, text.as_bytes());
            for client in joined.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                client.write_all(&frame)?;
            }
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
        if length == 0 {
            return Ok(());
        }
    }
}
