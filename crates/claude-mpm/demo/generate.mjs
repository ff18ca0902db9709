// Writes session.jsonl, the recording that `claude-mpm demo` plays: node generate.mjs
//
// Each line is {"at_ms": milliseconds from the start, "payload": the JSON that Claude Code gives its hook}. Eight invented
// projects at work for ninety seconds, and two sessions that end. The same input gives the same bytes.
import { writeFileSync } from 'node:fs';
import { Recording } from './recorder.mjs';
import { apiGateway } from './stories/api-gateway.mjs';
import { docsSite } from './stories/docs-site.mjs';
import { webShop } from './stories/web-shop.mjs';
import { infra } from './stories/infra.mjs';
import { mpmMonitor } from './stories/mpm-monitor.mjs';
import { billing } from './stories/billing.mjs';
import { searchSvc } from './stories/search-svc.mjs';
import { mobileApp } from './stories/mobile-app.mjs';
import { authLib } from './stories/auth-lib.mjs';

/** The playback is this long; what would come later is left out, so some calls stay open. */
const LENGTH_MS = 90_000;

const recording = new Recording();
for (const story of [apiGateway, docsSite, webShop, infra, mpmMonitor, billing, searchSvc, mobileApp, authLib]) story(recording);

const lines = recording.lines(LENGTH_MS);
writeFileSync(new URL('session.jsonl', import.meta.url), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
console.log(`${lines.length} events`);
