//! Metrics: what one export says of one session becomes one fact, with every point in it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Attributes, Export, Origin, PERSONAL, Point, Temporality, finish, is_claude_code, lift, once, time_of, word,
};
use crate::event::{Fact, Source, Time};
use crate::session::usage::{self, Usage};
use crate::summary;
use crate::vocabulary::Kind;

/// Points in one fact: what a session of many models and agents exports at once, and far below a frame's size.
const POINTS_MAX: usize = 256;

/// Attributes that every point of a session repeats.
const REPEATED: [&str; 3] = ["user.id", "terminal.type", "organization.id"];

/// The facts that points tell: one for each session and origin.
pub fn facts(export: Export<Point>, now: Time) -> Vec<Fact> {
    let mut groups: Vec<Group> = Vec::new();
    for (origin, mut point) in export.records {
        let session = is_claude_code(&origin).then(|| lift(&mut point.attributes, "session.id")).flatten();
        let place = groups
            .iter()
            .rposition(|group| group.session == session && *group.origin == *origin && group.points.len() < POINTS_MAX);
        match place {
            Some(place) => groups[place].points.push(point),
            None => groups.push(Group { session, origin, points: vec![point] }),
        }
    }
    groups.into_iter().map(|group| group.fact(now)).collect()
}

struct Group {
    session: Option<String>,
    origin: Arc<Origin>,
    points: Vec<Point>,
}

impl Group {
    fn fact(self, now: Time) -> Fact {
        let latest = self.points.iter().map(|point| point.time_ns).max().unwrap_or(0);
        let mut fact = Fact::new(Kind::MetricsReported, time_of(latest, now), Source::Otlp, Value::Null);
        fact.session_id = self.session;
        let mut common = Map::new();
        let mut points = Vec::with_capacity(self.points.len());
        for point in self.points {
            points.push(told(point, &mut common));
        }
        let text = json!(points).to_string();
        fact.identity = once(&fact, &[b"metrics", text.as_bytes()]);
        let service = word(&self.origin.resource, "service.name").unwrap_or_else(|| "unknown".to_owned());
        let mut data = Attributes::from_iter([("service".to_owned(), json!(service))]);
        data.extend(common);
        data.insert("points".to_owned(), json!(points));
        // Of this export alone, for the line; the session keeps the sum.
        let mut reported = Usage::default();
        usage::add_points(&mut reported, &mut usage::Series::default(), &data);
        fact.summary = summary_of(&reported, &points);
        finish(&mut fact, data);
        fact
    }
}

/// `{"name", "value", "unit"?, "temporality"?, "start"?, "time", "attributes"}`.
fn told(point: Point, common: &mut Attributes) -> Value {
    let Point { metric, unit, temporality, start_ns, time_ns, value, mut attributes } = point;
    for name in PERSONAL {
        attributes.shift_remove(name);
    }
    for name in REPEATED {
        if let Some(value) = attributes.shift_remove(name) {
            common.entry(name).or_insert(value);
        }
    }
    let mut told = Map::from_iter([("name".to_owned(), json!(&*metric)), ("value".to_owned(), value)]);
    if !unit.is_empty() {
        told.insert("unit".to_owned(), json!(&*unit));
    }
    match temporality {
        Temporality::Unspecified => {}
        Temporality::Delta => drop(told.insert("temporality".to_owned(), json!("delta"))),
        Temporality::Cumulative => drop(told.insert("temporality".to_owned(), json!("cumulative"))),
    }
    if start_ns > 0 {
        told.insert("start".to_owned(), json!(Time::from_ns(start_ns)));
    }
    told.insert("time".to_owned(), json!(Time::from_ns(time_ns)));
    told.insert("attributes".to_owned(), Value::Object(attributes));
    Value::Object(told)
}

fn summary_of(reported: &Usage, points: &[Value]) -> String {
    let tokens = reported.tokens.total();
    let cost = reported.cost_micros.map(|micros| format!("${:.4}", micros as f64 / 1e6));
    let told = match (tokens, cost) {
        (0, None) => {
            let mut names: Vec<&str> = points.iter().filter_map(|point| point.get("name")?.as_str()).collect();
            names.dedup();
            format!("{} points: {}", points.len(), names.join(", "))
        }
        (tokens, Some(cost)) => format!("{tokens} tokens · {cost}"),
        (tokens, None) => format!("{tokens} tokens"),
    };
    summary::line(&told)
}
