//! OTLP/JSON, read leniently: numbers may be strings or not, unknown fields are passed over, one bad record costs
//! itself.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Attributes, Export, Log, Origin, Point, Span, Temporality};

/// Reads the body of a request to `/v1/logs`.
pub fn logs(body: &Value) -> Result<Export<Log>, String> {
    let mut export = Export::default();
    each(body, ["resourceLogs", "scopeLogs", "logRecords"], |origin, record| export.take(origin, log(record)))?;
    Ok(export)
}

/// Reads the body of a request to `/v1/metrics`.
pub fn metrics(body: &Value) -> Result<Export<Point>, String> {
    let mut export = Export::default();
    each(body, ["resourceMetrics", "scopeMetrics", "metrics"], |origin, metric| {
        match metric.as_object().filter(|metric| metric.get("name").is_some_and(Value::is_string)) {
            Some(metric) => points(metric, |point| export.take(origin, point)),
            None => export.take(origin, Err("a metric without a name".to_owned())),
        }
    })?;
    Ok(export)
}

/// Reads the body of a request to `/v1/traces`.
pub fn spans(body: &Value) -> Result<Export<Span>, String> {
    let mut export = Export::default();
    each(body, ["resourceSpans", "scopeSpans", "spans"], |origin, record| export.take(origin, span(record)))?;
    Ok(export)
}

/// Visits every record with its origin.
fn each(body: &Value, names: [&str; 3], mut visit: impl FnMut(&Arc<Origin>, &Value)) -> Result<(), String> {
    let [resources, scopes, records] = names;
    let Value::Object(body) = body else { return Err(format!("an export is an object with {resources:?}")) };
    for resource in list(body, resources)? {
        let resource = resource.as_object().ok_or_else(|| format!("{resources:?} holds objects"))?;
        let attributes = resource.get("resource").and_then(Value::as_object).map(attributes_of).unwrap_or_default();
        for scope in list(resource, scopes)? {
            let scope = scope.as_object().ok_or_else(|| format!("{scopes:?} holds objects"))?;
            let name = scope.get("scope").and_then(|scope| scope.get("name")).and_then(Value::as_str);
            let origin = Arc::new(Origin { resource: attributes.clone(), scope: name.unwrap_or_default().to_owned() });
            for record in list(scope, records)? {
                visit(&origin, record);
            }
        }
    }
    Ok(())
}

/// A list that may be missing, as everything in Protocol Buffers may.
fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("{name:?} is a list")),
    }
}

fn log(record: &Value) -> Result<Log, String> {
    let record = record.as_object().ok_or("a log record that is no object")?;
    let at = |key: &str| unsigned(record.get(key));
    let log = Log {
        time_ns: at("timeUnixNano").filter(|at| *at > 0).or(at("observedTimeUnixNano")).unwrap_or(0),
        severity: record.get("severityNumber").and_then(Value::as_i64).unwrap_or(0),
        severity_text: text(record, "severityText"),
        event_name: text(record, "eventName"),
        body: record.get("body").map(any_value).unwrap_or_default(),
        attributes: attributes_of(record),
        trace_id: text(record, "traceId"),
        span_id: text(record, "spanId"),
    };
    checked_log(log)
}

/// A record that says something.
pub fn checked_log(log: Log) -> Result<Log, String> {
    if log.event_name.is_empty() && log.body.is_null() && log.attributes.is_empty() {
        return Err("a log record without name, body and attributes".to_owned());
    }
    Ok(log)
}

fn points(metric: &Map<String, Value>, mut take: impl FnMut(Result<Point, String>)) {
    let name: Arc<str> = text(metric, "name").into();
    let unit: Arc<str> = text(metric, "unit").into();
    let kinds = ["sum", "gauge", "histogram", "exponentialHistogram", "summary"];
    let Some((kind, data)) = kinds.into_iter().find_map(|kind| Some((kind, metric.get(kind)?.as_object()?))) else {
        // A metric may have no points yet.
        return;
    };
    let temporality = match data.get("aggregationTemporality") {
        Some(Value::Number(number)) if number.as_i64() == Some(1) => Temporality::Delta,
        Some(Value::Number(number)) if number.as_i64() == Some(2) => Temporality::Cumulative,
        Some(Value::String(name)) if name == "AGGREGATION_TEMPORALITY_DELTA" => Temporality::Delta,
        Some(Value::String(name)) if name == "AGGREGATION_TEMPORALITY_CUMULATIVE" => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    };
    let Ok(points) = list(data, "dataPoints") else {
        return take(Err(format!("the points of {name} are no list")));
    };
    for point in points {
        let Some(point) = point.as_object() else {
            take(Err(format!("a point of {name} that is no object")));
            continue;
        };
        let value = if matches!(kind, "sum" | "gauge") { number_of(point) } else { Some(distribution(point)) };
        let at = |key: &str| unsigned(point.get(key)).unwrap_or(0);
        take(value.ok_or_else(|| format!("a point of {name} without a number")).map(|value| Point {
            metric: Arc::clone(&name),
            unit: Arc::clone(&unit),
            temporality,
            start_ns: at("startTimeUnixNano"),
            time_ns: at("timeUnixNano"),
            value,
            attributes: attributes_of(point),
        }));
    }
}

/// The number of a point; a whole one may be written as text.
fn number_of(point: &Map<String, Value>) -> Option<Value> {
    if let Some(whole) = point.get("asInt") {
        return signed(whole).map(Value::from);
    }
    match point.get("asDouble")? {
        Value::Number(number) => number.as_f64().map(Value::from),
        Value::String(text) => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        _ => None,
    }
}

/// A histogram or summary, without its exemplars and what every point has.
fn distribution(point: &Map<String, Value>) -> Value {
    let mut value = json!({ "count": unsigned(point.get("count")).unwrap_or(0) });
    for key in ["sum", "min", "max"] {
        if let Some(number) = point.get(key).and_then(Value::as_f64) {
            value[key] = json!(number);
        }
    }
    value
}

fn span(record: &Value) -> Result<Span, String> {
    let record = record.as_object().ok_or("a span that is no object")?;
    let status = record.get("status").and_then(Value::as_object);
    let events = list(record, "events")?.iter().filter_map(Value::as_object).map(|event| {
        let at = unsigned(event.get("timeUnixNano")).unwrap_or(0);
        span_event(&text(event, "name"), at, attributes_of(event))
    });
    checked_span(Span {
        trace_id: text(record, "traceId").to_ascii_lowercase(),
        span_id: text(record, "spanId").to_ascii_lowercase(),
        parent_span_id: text(record, "parentSpanId").to_ascii_lowercase(),
        name: text(record, "name"),
        start_ns: unsigned(record.get("startTimeUnixNano")).unwrap_or(0),
        end_ns: unsigned(record.get("endTimeUnixNano")).unwrap_or(0),
        status: status.and_then(|status| status.get("code")).and_then(Value::as_i64).unwrap_or(0),
        status_message: status.map(|status| text(status, "message")).unwrap_or_default(),
        attributes: attributes_of(record),
        events: events.collect(),
    })
}

/// A span that can be told from others. The specification calls ids that are empty or all zeros invalid.
pub fn checked_span(span: Span) -> Result<Span, String> {
    let is_id = |id: &str, digits: usize| {
        id.len() == digits && id.bytes().all(|digit| digit.is_ascii_hexdigit()) && id.bytes().any(|digit| digit != b'0')
    };
    if !is_id(&span.trace_id, 32) || !is_id(&span.span_id, 16) {
        return Err("a span without valid ids".to_owned());
    }
    Ok(span)
}

/// What happened during a span, in one form for both encodings.
pub fn span_event(name: &str, time_ns: u64, attributes: Attributes) -> Value {
    let mut event = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("time".to_owned(), json!(crate::event::Time::from_ns(time_ns))),
    ]);
    event.extend(attributes);
    Value::Object(event)
}

/// `[{"key", "value": {"stringValue": …}}]` as an object.
fn attributes_of(record: &Map<String, Value>) -> Attributes {
    key_values(record.get("attributes"))
}

fn key_values(list: Option<&Value>) -> Attributes {
    let items = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let pair = |item: &Value| Some((item.get("key")?.as_str()?.to_owned(), item.get("value").map(any_value)?));
    items.iter().filter_map(pair).collect()
}

/// `{"intValue": "7"}` → 7. Bytes stay the base64 that they are.
fn any_value(value: &Value) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|fields| fields.iter().next()) else { return Value::Null };
    match kind.as_str() {
        "intValue" => signed(value).map_or_else(|| value.clone(), Value::from),
        "doubleValue" => value.as_f64().map_or_else(|| value.clone(), Value::from),
        "arrayValue" => {
            let items = value.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            Value::Array(items.iter().map(any_value).collect())
        }
        "kvlistValue" => Value::Object(key_values(value.get("values"))),
        _ => value.clone(),
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> String {
    fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn unsigned(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn signed(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
