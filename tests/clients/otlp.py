"""Sends log records, metrics and a span with OpenTelemetry's own exporters: otlp.py URL"""

import logging
import sys

from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

url = sys.argv[1]
resource = Resource.create({"service.name": "a-test"})
failures = []


class Failures(logging.Handler):
    """Exporters log what they could not send, and go on."""

    def emit(self, record):
        failures.append(record.getMessage())


logging.getLogger("opentelemetry").addHandler(Failures())

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(url + "/v1/logs", compression=Compression.Gzip)))
set_logger_provider(logs)
logger = logging.getLogger("test")
logger.addHandler(LoggingHandler(logger_provider=logs))
logger.warning("the disk is nearly full")

metrics = MeterProvider(
    resource=resource,
    metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter(url + "/v1/metrics", compression=Compression.Gzip))],
)
meter = metrics.get_meter("test")
meter.create_counter("work.done").add(3, {"of": "seven"})
meter.create_histogram("work.duration", unit="ms").record(12.5)

spans = TracerProvider(resource=resource)
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url + "/v1/traces")))
with spans.get_tracer("test").start_as_current_span("a piece of work") as span:
    span.add_event("halfway", {"done": 1})
    span.set_status(trace.StatusCode.ERROR, "it broke")

for provider in (logs, metrics, spans):
    provider.force_flush()
    provider.shutdown()
if failures:
    sys.exit("\n".join(failures))
