//! Protocol Buffers into the records of `event::otlp`, one record at a time: two bytes can be a record, and decoded at once
//! a body would take a hundred times its size.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use event::otlp::{Attributes, Export, Log, Origin, Point, Span, Temporality, json};
use http::StatusCode;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde_json::{Value, json as object};

use super::RECORDS_MAX;
use super::answer::Refusal;

/// The largest record, in bytes. The client cuts its own texts at 60 KiB.
const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Reads the body of a request to `/v1/logs`.
pub(super) fn logs(body: &[u8]) -> Result<Export<Log>, Refusal> {
    let mut export = Export::default();
    each(body, |origin, bytes| {
        export.take(origin, decode::<LogRecord>(bytes).and_then(|record| json::checked_log(log(record))));
    })?;
    Ok(export)
}

/// Reads the body of a request to `/v1/metrics`.
pub(super) fn metrics(body: &[u8]) -> Result<Export<Point>, Refusal> {
    let mut export = Export::default();
    each(body, |origin, bytes| match decode::<Metric>(bytes) {
        Ok(metric) if metric.name.is_empty() => export.take(origin, Err("a metric without a name".to_owned())),
        Ok(metric) => points(metric, |point| export.take(origin, point)),
        Err(reason) => export.take(origin, Err(reason)),
    })?;
    Ok(export)
}

/// Reads the body of a request to `/v1/traces`.
pub(super) fn spans(body: &[u8]) -> Result<Export<Span>, Refusal> {
    let mut export = Export::default();
    each(body, |origin, bytes| {
        export.take(origin, decode::<trace::Span>(bytes).and_then(|record| json::checked_span(span(record))));
    })?;
    Ok(export)
}

/// Visits every record with its origin. The three signals are alike: resources (1) hold a resource (1) and scopes (2),
/// which hold a scope (1) and records (2).
fn each(body: &[u8], mut visit: impl FnMut(&Arc<Origin>, &[u8])) -> Result<(), Refusal> {
    let unreadable = |error: String| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("the body is no Protocol Buffers message: {error}"))
    };
    let undecodable = |error: prost::DecodeError| unreadable(error.to_string());
    let mut records = 0;
    for resource in fields(body, 1).map_err(unreadable)? {
        let mut attributes = Attributes::new();
        for bytes in fields(resource, 1).map_err(unreadable)? {
            attributes.extend(attributes_of(Resource::decode(bytes).map_err(undecodable)?.attributes));
        }
        for scope in fields(resource, 2).map_err(unreadable)? {
            let mut name = String::new();
            for bytes in fields(scope, 1).map_err(unreadable)? {
                name = InstrumentationScope::decode(bytes).map_err(undecodable)?.name;
            }
            let origin = Arc::new(Origin { resource: attributes.clone(), scope: name });
            for record in fields(scope, 2).map_err(unreadable)? {
                records += 1;
                if records > RECORDS_MAX {
                    return Err(Refusal::too_many());
                }
                visit(&origin, record);
            }
        }
    }
    Ok(())
}

/// The messages, or strings, with this number in a message; they stay where they are.
fn fields(mut message: &[u8], wanted: u32) -> Result<Vec<&[u8]>, String> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message).map_err(|error| error.to_string())?;
        if number != wanted || wire_type != WireType::LengthDelimited {
            let skipped = skip_field(wire_type, number, &mut message, DecodeContext::default());
            skipped.map_err(|error| error.to_string())?;
            continue;
        }
        let length = decode_varint(&mut message).map_err(|error| error.to_string())?;
        let split = usize::try_from(length).ok().and_then(|length| message.split_at_checked(length));
        let Some((field, rest)) = split else { return Err("it ends in the middle of a field".to_owned()) };
        found.push(field);
        message = rest;
    }
    Ok(found)
}

fn decode<T: Message + Default>(bytes: &[u8]) -> Result<T, String> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(format!("a record of {} bytes; the most is {RECORD_BYTES_MAX}", bytes.len()));
    }
    T::decode(bytes).map_err(|error| format!("a record that cannot be read: {error}"))
}

fn log(record: LogRecord) -> Log {
    let seen = if record.time_unix_nano > 0 { record.time_unix_nano } else { record.observed_time_unix_nano };
    Log {
        time_ns: seen,
        severity: record.severity_number.into(),
        severity_text: record.severity_text,
        event_name: record.event_name,
        body: record.body.map(value).unwrap_or_default(),
        attributes: attributes_of(record.attributes),
        trace_id: hex(&record.trace_id),
        span_id: hex(&record.span_id),
    }
}

fn points(metric: Metric, mut take: impl FnMut(Result<Point, String>)) {
    let (name, unit): (Arc<str>, Arc<str>) = (metric.name.into(), metric.unit.into());
    let mut point = |(start_ns, time_ns), attributes, temporality: i32, value: Option<Value>| {
        let temporality = match temporality {
            1 => Temporality::Delta,
            2 => Temporality::Cumulative,
            _ => Temporality::Unspecified,
        };
        let attributes = attributes_of(attributes);
        let (metric, unit) = (Arc::clone(&name), Arc::clone(&unit));
        take(value.ok_or_else(|| format!("a point of {name} without a number")).map(|value| Point {
            metric,
            unit,
            temporality,
            start_ns,
            time_ns,
            value,
            attributes,
        }));
    };
    let number = |value: Option<number_data_point::Value>| match value? {
        number_data_point::Value::AsInt(whole) => Some(Value::from(whole)),
        number_data_point::Value::AsDouble(number) => number.is_finite().then(|| Value::from(number)),
    };
    match metric.data {
        Some(metric::Data::Sum(sum)) => {
            for it in sum.data_points {
                let at = (it.start_time_unix_nano, it.time_unix_nano);
                point(at, it.attributes, sum.aggregation_temporality, number(it.value));
            }
        }
        Some(metric::Data::Gauge(gauge)) => {
            for it in gauge.data_points {
                point((it.start_time_unix_nano, it.time_unix_nano), it.attributes, 0, number(it.value));
            }
        }
        Some(metric::Data::Histogram(all)) => {
            for it in all.data_points {
                let value = distribution(it.count, it.sum, it.min, it.max);
                let at = (it.start_time_unix_nano, it.time_unix_nano);
                point(at, it.attributes, all.aggregation_temporality, Some(value));
            }
        }
        Some(metric::Data::ExponentialHistogram(all)) => {
            for it in all.data_points {
                let value = distribution(it.count, it.sum, it.min, it.max);
                let at = (it.start_time_unix_nano, it.time_unix_nano);
                point(at, it.attributes, all.aggregation_temporality, Some(value));
            }
        }
        Some(metric::Data::Summary(all)) => {
            for it in all.data_points {
                let value = distribution(it.count, Some(it.sum), None, None);
                point((it.start_time_unix_nano, it.time_unix_nano), it.attributes, 0, Some(value));
            }
        }
        None => {}
    }
}

fn distribution(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> Value {
    let mut value = object!({ "count": count });
    for (key, number) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(number) = number.filter(|number| number.is_finite()) {
            value[key] = object!(number);
        }
    }
    value
}

fn span(record: trace::Span) -> Span {
    let (status, status_message) = record.status.map(|status| (status.code, status.message)).unwrap_or_default();
    let event = |event: trace::span::Event| {
        json::span_event(&event.name, event.time_unix_nano, attributes_of(event.attributes))
    };
    Span {
        trace_id: hex(&record.trace_id),
        span_id: hex(&record.span_id),
        parent_span_id: hex(&record.parent_span_id),
        name: record.name,
        start_ns: record.start_time_unix_nano,
        end_ns: record.end_time_unix_nano,
        status: status.into(),
        status_message,
        attributes: attributes_of(record.attributes),
        events: record.events.into_iter().map(event).collect(),
    }
}

fn attributes_of(list: Vec<KeyValue>) -> Attributes {
    list.into_iter().filter_map(|pair| Some((pair.key, value(pair.value?)))).collect()
}

/// As OTLP/JSON would hold it.
fn value(any: AnyValue) -> Value {
    match any.value {
        Some(Any::StringValue(text)) => Value::String(text),
        Some(Any::BoolValue(is)) => Value::Bool(is),
        Some(Any::IntValue(whole)) => Value::from(whole),
        Some(Any::DoubleValue(number)) if number.is_finite() => Value::from(number),
        Some(Any::DoubleValue(number)) => Value::String(number.to_string()),
        Some(Any::ArrayValue(list)) => Value::Array(list.values.into_iter().map(value).collect()),
        Some(Any::KvlistValue(list)) => Value::Object(attributes_of(list.values)),
        Some(Any::BytesValue(bytes)) => Value::String(BASE64_STANDARD.encode(bytes)),
        // The specification reserves string references for profiles.
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
