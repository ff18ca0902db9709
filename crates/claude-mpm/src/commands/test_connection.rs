//! `claude-mpm monitor test-connection`: every way to a monitor, tried, with the time that it took.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Value, json};
use socketio::websocket::{self, Message};

use crate::cli::{self, TestConnectionArgs};
use crate::daemon::{instance, probe};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// How long one way may take.
const WAY_MAX: Duration = Duration::from_secs(5);

/// The longest message that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What was tried, and how it went.
struct Tried {
    way: &'static str,
    /// What was seen, or what went wrong.
    said: Result<String, String>,
    took: Duration,
}

/// Runs it.
pub(crate) fn run(options: &TestConnectionArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let preferred = cli::port(None, &Settings::load(&home)?);
    let known = instance::meant(&home, options.port, preferred).ok().map(|running| running.known);
    let port = known.as_ref().map_or(options.port.unwrap_or(preferred), |known| known.port);
    let host = known.as_ref().map_or_else(|| "localhost".to_owned(), |known| known.plan.host.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("Nothing was tried", error, "Close other programs and try again"))?;
    if !options.json {
        report::line(format_args!(
            "Testing the connection to {}:{port}...\n",
            if host == "localhost" { "localhost" } else { &host }
        ));
    }
    let to = To { host, port };
    let (mut all, mut reached) = (Vec::new(), true);
    runtime.block_on(async {
        for way in [Way::Health, Way::Polling, Way::WebSocket, Way::Raw] {
            let tried = way.attempt(&to).await;
            if !options.json {
                report::line(tried.in_words());
            }
            reached &= !(matches!(way, Way::Health) && tried.said.as_ref().is_err_and(|said| said.contains("refused")));
            all.push(tried);
            if !reached {
                break;
            }
        }
    });
    let ours = known.is_some();
    let failed = all.iter().filter(|tried| tried.said.is_err()).count();
    if options.json {
        let ways: Vec<Value> = all.iter().map(Tried::in_json).collect();
        report::line(json!({ "port": port, "ours": ours, "ok": failed == 0, "ways": ways }));
    } else if failed == 0 {
        let whose = if ours { "your monitor" } else { "a monitor that this home knows nothing of" };
        report::line(format_args!("\nAll connections work; it is {whose}."));
    } else if !reached {
        return Err(Failure::printed(format!(
            "\nError: Server on port {port} is not running\nSuggestion: Use '/mpm-monitor start' to start the server"
        ))
        .with_code(3));
    }
    match failed {
        0 => Ok(()),
        _ if !reached => Err(Failure::silent(3)),
        _ => Err(Failure::silent(1)),
    }
}

/// Where to.
struct To {
    host: String,
    port: u16,
}

#[derive(Clone, Copy)]
enum Way {
    Health,
    Polling,
    WebSocket,
    Raw,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Health => "Health",
            Way::Polling => "Socket.IO over polling",
            Way::WebSocket => "Socket.IO over WebSocket",
            Way::Raw => "Raw WebSocket",
        }
    }

    async fn attempt(self, to: &To) -> Tried {
        let began = Instant::now();
        let trying = async {
            match self {
                Way::Health => to.health().await,
                Way::Polling => to.polling().await,
                Way::WebSocket => to.websocket().await,
                Way::Raw => to.raw().await,
            }
        };
        let said = match tokio::time::timeout(WAY_MAX, trying).await {
            Ok(said) => said.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("no answer within {} s", WAY_MAX.as_secs())),
        };
        Tried { way: self.name(), said: said.map_err(|said| report::harmless(&said)), took: began.elapsed() }
    }
}

impl To {
    async fn ask(&self, request: Request<Full<Bytes>>) -> anyhow::Result<String> {
        let (answer, _) = probe::begin(&self.host, self.port, request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MESSAGE_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if !status.is_success() {
            let problem: Value = serde_json::from_str(&text).unwrap_or_default();
            let message =
                problem["error"]["message"].as_str().map_or_else(|| text.chars().take(200).collect(), str::to_owned);
            anyhow::bail!("{status}: {message}");
        }
        Ok(text)
    }

    async fn health(&self) -> anyhow::Result<String> {
        let text = self.ask(probe::get(self.port, "/health").body(Full::default())?).await?;
        let health: Value =
            serde_json::from_str(&text).map_err(|_| anyhow::anyhow!("it answers, but not as a monitor does"))?;
        if health["service"] != server::SERVICE {
            anyhow::bail!("it answers, but it is no monitor: service is {}", health["service"]);
        }
        let word = |key: &str| report::harmless(health[key].as_str().unwrap_or("unknown"));
        Ok(format!(
            "{} {}, PID {}, {} ({})",
            word("service"),
            word("version"),
            health["pid"],
            word("status"),
            word("health")
        ))
    }

    /// The handshake, a namespace, and an event that is answered, each in a request of its own as the transport has it.
    async fn polling(&self) -> anyhow::Result<String> {
        let path = "/socket.io/?EIO=4&transport=polling";
        let open = self.ask(probe::get(self.port, path).body(Full::default())?).await?;
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap_or_default())
            .map_err(|_| anyhow::anyhow!("the first packet is no open packet"))?;
        let path = format!("{path}&sid={}", open["sid"].as_str().unwrap_or_default());
        self.post(&path, format!("40{}", auth())).await?;
        let mut seen = self.wait(&path, &["40{", "44"]).await?;
        if !seen.contains("40{") {
            anyhow::bail!("refused: {}", seen.trim_start_matches("44"));
        }
        let began = Instant::now();
        self.post(&path, r#"420["get_status"]"#.to_owned()).await?;
        if !seen.contains("430[") {
            seen = self.wait(&path, &["430["]).await?;
        }
        let round = began.elapsed();
        self.post(&path, "1".to_owned()).await?;
        drop(seen);
        Ok(format!("connected, answered in {}", shown(round)))
    }

    async fn post(&self, path: &str, packet: String) -> anyhow::Result<()> {
        let mut request = probe::get(self.port, path).body(Full::from(packet))?;
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert("content-type", http::HeaderValue::from_static("text/plain;charset=UTF-8"));
        self.ask(request).await.map(drop)
    }

    async fn wait(&self, path: &str, any: &[&str]) -> anyhow::Result<String> {
        loop {
            let packets = self.ask(probe::get(self.port, path).body(Full::default())?).await?;
            if any.iter().any(|wanted| packets.split('\u{1e}').any(|packet| packet.starts_with(wanted))) {
                return Ok(packets);
            }
        }
    }

    async fn websocket(&self) -> anyhow::Result<String> {
        let (mut reader, mut writer) = self.upgraded("/socket.io/?EIO=4&transport=websocket").await?;
        writer.text(&format!("40{}", auth()));
        writer.flush().await?;
        let answer = message(&mut reader, |text| text.starts_with("40{") || text.starts_with("44")).await?;
        if let Some(refused) = answer.strip_prefix("44") {
            anyhow::bail!("refused: {refused}");
        }
        let began = Instant::now();
        writer.text(r#"420["get_status"]"#);
        writer.flush().await?;
        message(&mut reader, |text| text.starts_with("430[")).await?;
        Ok(format!("connected, answered in {}", shown(began.elapsed())))
    }

    async fn raw(&self) -> anyhow::Result<String> {
        let (mut reader, mut writer) = self.upgraded("/").await?;
        let is = |kind: &'static str| {
            move |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|said| said["type"] == kind)
        };
        // Without the token there is no hello; who asks for something is told why.
        writer.text(r#"{"command":"ping"}"#);
        writer.flush().await?;
        let first = message(&mut reader, |text| is("hello")(text) || is("error")(text)).await?;
        let first: Value = serde_json::from_str(&first)?;
        if first["type"] == "error" {
            anyhow::bail!("refused: {}", first["data"]["message"].as_str().unwrap_or("no reason is given"));
        }
        message(&mut reader, is("pong")).await?;
        let began = Instant::now();
        writer.text(r#"{"command":"ping"}"#);
        writer.flush().await?;
        message(&mut reader, is("pong")).await?;
        Ok(format!("hello, ping answered in {}", shown(began.elapsed())))
    }

    async fn upgraded(&self, path: &str) -> anyhow::Result<(Reader, Writer)> {
        let stream = probe::connect(&self.host, self.port).await?;
        stream.set_nodelay(true)?;
        let bearer = probe::token().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("User-Agent", probe::AGENT)];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        let host = format!("localhost:{}", self.port);
        Ok(websocket::connect(stream, &host, path, &headers, MESSAGE_BYTES_MAX).await?)
    }
}

type Reader = websocket::Reader<tokio::io::ReadHalf<tokio::net::TcpStream>>;
type Writer = websocket::Writer<tokio::io::WriteHalf<tokio::net::TcpStream>>;

async fn message(reader: &mut Reader, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    loop {
        match reader.next().await? {
            Message::Text(text) if wanted(&text) => return Ok(text.to_string()),
            Message::Close(_) => anyhow::bail!("the monitor closed the connection"),
            _ => {}
        }
    }
}

/// What a Socket.IO client says when it joins.
fn auth() -> String {
    probe::token().map(|token| json!({ "token": token }).to_string()).unwrap_or_default()
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

impl Tried {
    fn in_words(&self) -> String {
        match &self.said {
            Ok(said) => format!("✓ {}: {said} ({} in all)", self.way, shown(self.took)),
            Err(said) => format!("✗ {}: {said}", self.way),
        }
    }

    fn in_json(&self) -> Value {
        json!({ "way": self.way, "ok": self.said.is_ok(), "said": self.said.as_ref().unwrap_or_else(|said| said),
            "ms": self.took.as_secs_f64() * 1000.0 })
    }
}
