//! What an exporter is answered: taken, taken in part, or refused.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::{logs, metrics, trace};
use prost::Message;
use serde_json::json;

use super::body::Encoding;
use super::{BODY_BYTES_MAX, RECORDS_MAX, Signal};

/// How long an exporter should wait while the disk takes nothing, in seconds.
const RETRY_AFTER_S: u32 = 5;

/// How many records were not taken, and why.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    pub(super) records: u64,
    pub(super) reason: Option<String>,
}

/// A request that is not taken at all.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }

    pub(super) fn too_large() -> Refusal {
        let message = format!("the body is larger than {} MiB", BODY_BYTES_MAX >> 20);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(super) fn too_many() -> Refusal {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {RECORDS_MAX} records in one request"))
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

/// `google.rpc.Status`, which the specification asks for in errors.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The request was taken; what was rejected of it must not be sent again.
pub(super) fn taken(signal: Signal, encoding: Encoding, rejected: &Rejected) -> Response {
    let count = i64::try_from(rejected.records).unwrap_or(i64::MAX);
    let message = rejected.reason.clone().unwrap_or_default();
    if encoding == Encoding::Json {
        let name = match signal {
            Signal::Logs => "rejectedLogRecords",
            Signal::Metrics => "rejectedDataPoints",
            Signal::Traces => "rejectedSpans",
        };
        let body = if count == 0 {
            json!({})
        } else {
            json!({ "partialSuccess": { name: count.to_string(), "errorMessage": message } })
        };
        return answer(StatusCode::OK, encoding, body.to_string().into_bytes());
    }
    let is_partial = count > 0;
    let body = match signal {
        Signal::Logs => {
            let partial = logs::v1::ExportLogsPartialSuccess { rejected_log_records: count, error_message: message };
            logs::v1::ExportLogsServiceResponse { partial_success: is_partial.then_some(partial) }.encode_to_vec()
        }
        Signal::Metrics => {
            let partial =
                metrics::v1::ExportMetricsPartialSuccess { rejected_data_points: count, error_message: message };
            metrics::v1::ExportMetricsServiceResponse { partial_success: is_partial.then_some(partial) }.encode_to_vec()
        }
        Signal::Traces => {
            let partial = trace::v1::ExportTracePartialSuccess { rejected_spans: count, error_message: message };
            trace::v1::ExportTraceServiceResponse { partial_success: is_partial.then_some(partial) }.encode_to_vec()
        }
    };
    answer(StatusCode::OK, encoding, body)
}

/// The request was not taken.
pub(super) fn refused(encoding: Encoding, refusal: &Refusal) -> Response {
    // Codes of gRPC: UNAVAILABLE, else INVALID_ARGUMENT.
    let code = if refusal.status == StatusCode::SERVICE_UNAVAILABLE { 14 } else { 3 };
    let body = match encoding {
        Encoding::Json => json!({ "code": code, "message": refusal.message }).to_string().into_bytes(),
        Encoding::Protobuf => Status { code, message: refusal.message.clone() }.encode_to_vec(),
    };
    let mut response = answer(refusal.status, encoding, body);
    if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    }
    response
}

fn answer(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, encoding.content_type()), (header::CACHE_CONTROL, "no-store")], body)
        .into_response()
}
