"""Reads /metrics with Prometheus' own parsers and prints what they understood: scrape.py URL openmetrics|prometheus"""

import json
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

url, form = sys.argv[1:3]
accept = {"openmetrics": "application/openmetrics-text; version=1.0.0", "prometheus": "text/plain"}[form]
with urllib.request.urlopen(urllib.request.Request(url + "/metrics", headers={"accept": accept})) as answer:
    content_type, text = answer.headers["content-type"], answer.read().decode()
families = {"openmetrics": openmetrics, "prometheus": prometheus}[form](text)
print(json.dumps({
    "content_type": content_type,
    "families": {
        family.name: {
            "type": family.type,
            "help": family.documentation,
            "samples": [{"name": s.name, "labels": s.labels, "value": s.value} for s in family.samples],
        }
        for family in families
    },
}))
