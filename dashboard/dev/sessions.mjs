// Invents the work of eight sessions, event by event, in the form of the wire contract. Development only: nothing of it reaches the built page.

const PROJECTS = [
  ['api-gateway', '7f3a91c2-5d20-4c1e-8a71-1b9e0f4c2d11', 'need'], ['docs-site', 'b8120e5d-77aa-4f19-9c3d-2ad2c7fe0a22', 'need'],
  ['web-shop', 'c01bd4e7-22aa-4f19-8c3d-91d2c7fe0a33', 'failing'], ['infra', '5e90aa31-9b1c-4de0-a6f2-3cd2c7fe0a44', 'stuck'],
  ['mpm-monitor', '91d2c7fe-0a11-4b2c-b1d3-4dd2c7fe0a55', 'working'], ['billing', '2ab77f10-6e5d-4a3b-9f8e-5ed2c7fe0a66', 'working'],
  ['search-svc', 'e4410b9c-1f2e-4d3c-8b7a-6fd2c7fe0a77', 'working'], ['mobile-app', '0c5ff871-3a4b-4c5d-9e6f-70d2c7fe0a88', 'idle'],
  ['auth-lib', '41d0c2ab-8c7d-4e6f-a5b4-81d2c7fe0a99', 'ended'], ['api-gateway', '9fe3310a-2b3c-4d5e-8f70-92d2c7fe0aaa', 'ended'],
];
const AGENTS = ['', '', 'engineer', 'rust-engineer', 'research', 'qa', 'ops'];
const FILES = ['src/store/ring.rs', 'src/cart/totals.ts', 'src/ws/backoff.rs', 'tests/index_merge.rs', 'crates/tax/src/rounding.rs', 'README.md', 'src/routes.rs', 'pages/migrate.md', 'src/config.rs'];
const COMMANDS = ['pnpm test checkout', 'cargo test --workspace reconnect', 'cargo clippy --all-targets -- -D warnings', 'git commit -m "Back off on reconnect"', 'cargo nextest run index_merge', 'ls -la target', 'rg -n "invoice_total" crates'];
const TODOS = ['Find the reconnect loop', 'Add capped backoff', 'Make the sleep test pass', 'Check under packet loss', 'Push the branch', 'Open the pull request', 'Close issue 212'];
const FAILURE = 'FAIL src/cart/totals.test.ts (5.2 s)\n  CheckoutTotals\n    \u001b[32m✓\u001b[39m adds line items (3 ms)\n    \u001b[31m✕\u001b[39m rounds half up (11 ms)\n\n  \u001b[1m\u001b[31m● CheckoutTotals › rounds half up\u001b[39m\u001b[22m\n    Expected: \u001b[32m10.50\u001b[39m\n    Received: \u001b[31m10.49\u001b[39m\n\nTests: 1 failed, 17 passed, 18 total';

export class Sessions {
  seq = 0;
  #random = 42;
  #ids = 0;
  open = [];

  constructor(now) {
    this.list = PROJECTS.map(([project, session_id, state], index) => ({
      session_id, project, cwd: `/home/you/work/${project}`, state, state_since: iso(now - [134, 41, 540, 692, 3, 2, 1, 840, 1990, 4270][index] * 1000), started_at: iso(now - 5_400_000 + index * 200_000),
      last_event_at: iso(now), last_seq: 0, model: index % 2 ? 'claude-opus-4-5' : 'claude-sonnet-4-5', permission_mode: 'default', launch_method: 'interactive', agents: [], open_calls: [],
      counts: { events: 0, tool_calls: 0, errors: 0, prompts: 1 }, activity: new Array(24).fill(0), last_prompt: 'Fix the reconnect loop after sleep',
      ...(index === 4 ? { context_percentage: 0.83, tokens: 1_200_000, cost_usd: 3.77 } : {}),
    }));
  }

  next(limit) {
    this.#random = (this.#random * 48271) % 2147483647;
    return this.#random % limit;
  }

  pick(list) {
    return list[this.next(list.length)];
  }

  /** Some events of one step of some working session. */
  step(time, historical = false) {
    const session = this.pick(this.list.filter((entry) => historical || entry.state === 'working'));
    const roll = this.next(100);
    if (roll < 70) return this.#call(session, time);
    if (roll < 76) return [this.event(session, time, { kind: 'todo.updated', namespace: '/todo', event: 'updated', ...this.#todos(session) })];
    if (roll < 80) return [this.event(session, time, { kind: 'prompt.submitted', namespace: '/hook', event: 'user_prompt', summary: 'Why does the checkout test fail on the second coupon?', data: { prompt: 'Why does the checkout test fail on the second coupon?' } })];
    if (roll < 86) return [this.event(session, time, { kind: 'log.message', namespace: '/log', event: 'message', summary: 'WARN hook_timeout: post_tool took 512 ms', data: { level: 'WARNING', logger: 'hooks', message: 'post_tool took 512 ms' } })];
    if (roll < 90) return [this.event(session, time, { kind: 'memory.updated', namespace: '/memory', event: 'updated', summary: 'learned: state lock is shared with staging', data: { agent_id: 'ops', learning_type: 'pattern', content: 'state lock is shared with staging' } })];
    if (roll < 95) return [this.event(session, time, { kind: 'agent.delegated', namespace: '/agent', event: 'task_delegated', summary: 'research: Compare tax rounding rules', data: { agent: 'research', task: 'Compare tax rounding rules', status: 'started' } })];
    return [this.event(session, time, { kind: 'turn.finished', namespace: '/hook', event: 'stop', outcome: 'ok', summary: 'All 48 tests pass, also under packet loss.', data: { message: 'All 48 tests pass.' } })];
  }

  /** Ends of calls whose time has come. */
  due(time) {
    const due = this.open.filter((call) => call.endsAt <= time);
    this.open = this.open.filter((call) => call.endsAt > time);
    return due.flatMap((call) => this.#end(call));
  }

  need(time, index, summary, event, namespaceEvent) {
    const session = this.list[index];
    const made = this.event(session, time, { kind: event, namespace: '/hook', event: namespaceEvent, summary, agent_type: index === 0 ? 'engineer' : undefined, agent_id: index === 0 ? 'a5d2' : undefined, tool_name: index === 0 ? 'Bash' : undefined, data: { tool_input: { command: summary } } });
    session.reason = { kind: event, summary: made.summary, seq: made.seq };
    session.state_since = made.time;
    return made;
  }

  /** A call that stays open. */
  hang(time, index, command) {
    const session = this.list[index];
    const id = `toolu_hang_${index}`;
    const made = this.event(session, time, { kind: 'tool_call.started', namespace: '/hook', event: 'pre_tool', tool_name: 'Bash', tool_use_id: id, summary: command, data: { tool_input: { command } } });
    session.open_calls = [{ tool_use_id: id, tool_name: 'Bash', summary: command, started_at: made.time, seq: made.seq }];
    session.reason = { kind: 'tool_call.started', summary: `${command}, no output`, seq: made.seq };
    return made;
  }

  fail(time, index, command, id) {
    const session = this.list[index];
    const start = this.event(session, time - 6110, { kind: 'tool_call.started', namespace: '/hook', event: 'pre_tool', tool_name: 'Bash', tool_use_id: id, agent_type: 'engineer', agent_id: 'a4d2', summary: command, data: { tool_input: { command } } });
    const end = this.event(session, time, { kind: 'tool_call.failed', namespace: '/hook', event: 'post_tool', tool_name: 'Bash', tool_use_id: id, agent_type: 'engineer', agent_id: 'a4d2', outcome: 'error', duration_ms: 6110, summary: 'exit 1 · CheckoutTotals › rounds half up', data: { tool_input: { command }, tool_response: { stdout: FAILURE, stderr: '', exit_code: 1 } } });
    session.reason = { kind: 'tool_call.failed', summary: `Bash ${command} exits 1 again`, seq: end.seq };
    return [start, end];
  }

  event(session, time, fields) {
    this.seq += 1;
    const event = { seq: this.seq, time: iso(time), recorded_at: iso(time + 3), ...(session ? { session_id: session.session_id, cwd: session.cwd } : {}), sources: ['demo'], data: {}, ...fields };
    for (const key of Object.keys(event)) if (event[key] === undefined) delete event[key];
    if (session) {
      session.last_seq = event.seq;
      session.last_event_at = event.time;
      session.counts.events += 1;
      if (event.kind === 'tool_call.started') session.counts.tool_calls += 1;
      if (event.outcome === 'error') session.counts.errors += 1;
      const minute = Math.floor((Date.now() - time) / 60_000);
      if (minute >= 0 && minute < 24) session.activity[23 - minute] += 1;
      if (session.state === 'working') session.last_message = event.summary;
    }
    return event;
  }

  #call(session, time) {
    const tool = this.pick(['Bash', 'Bash', 'Read', 'Read', 'Read', 'Grep', 'Edit', 'Edit', 'WebFetch', 'Write', 'mcp__github__create_issue']);
    this.#ids += 1;
    const id = `toolu_${this.#ids.toString(36).padStart(8, '0')}`;
    const type = this.pick(AGENTS);
    const file = this.pick(FILES);
    const command = this.pick(COMMANDS);
    const input = tool === 'Bash' ? { command, description: 'Runs it' } : tool === 'Grep' ? { pattern: 'invoice_total', path: 'crates/' } : tool === 'WebFetch' ? { url: 'https://docs.stripe.com/api/invoices' } : { file_path: `${session.cwd}/${file}` };
    const summary = tool === 'Bash' ? command : tool === 'Grep' ? '"invoice_total" in crates/' : tool === 'WebFetch' ? 'docs.stripe.com/api/invoices' : file;
    const took = tool === 'Bash' ? 400 + this.next(9000) : 5 + this.next(tool === 'WebFetch' ? 3000 : 90);
    const agent = type === '' ? {} : { agent_type: type, agent_id: `a_${type}_${session.session_id.slice(0, 4)}` };
    const start = this.event(session, time, { kind: 'tool_call.started', namespace: '/hook', event: 'pre_tool', tool_name: tool, tool_use_id: id, ...agent, summary, data: { tool_input: input } });
    this.open.push({ session, id, tool, file, input, summary, took, agent, endsAt: time + took, fails: this.next(100) < (tool === 'Bash' ? 9 : 2), start });
    return [start];
  }

  #end({ session, id, tool, file, input, summary, took, agent, endsAt, fails }) {
    const edit = tool === 'Edit' || tool === 'Write';
    const change = { path: `${session.cwd}/${file}`, added: 1 + this.next(40), removed: this.next(20) };
    const read = { path: `${session.cwd}/${file}`, operation: 'read', size: 4096 };
    const response = tool === 'Bash' ? { stdout: fails ? FAILURE : 'ok\n', stderr: '', exit_code: fails ? 1 : 0 } : tool === 'Read' ? { file: { bytes: 4096, lines: 120, sha256: 'ab12' } } : { ok: !fails };
    const events = [this.event(session, endsAt, {
      kind: fails ? 'tool_call.failed' : 'tool_call.finished', namespace: '/hook', event: 'post_tool', tool_name: tool, tool_use_id: id, ...agent, outcome: fails ? 'error' : 'ok', duration_ms: took,
      summary: fails ? 'exit 1 · CheckoutTotals › rounds half up' : edit ? `${summary} +${change.added} −${change.removed}` : tool === 'Read' ? `${summary} lines 1–120` : summary,
      ...(tool === 'Read' ? { cut: [{ path: '/tool_response/file', bytes: 4096, reason: 'body' }] } : {}),
      data: { tool_input: input, tool_response: response, ...(edit ? { change } : {}) },
    })];
    if (edit) events.push(this.event(session, endsAt, { kind: 'file.operated', namespace: '/hook', event: 'file_operation', ...agent, tool_name: tool, summary: `${tool.toLowerCase()} ${file}`, data: { operation: tool === 'Edit' ? 'edit' : 'write', ...change } }));
    if (tool === 'Read') events.push(this.event(session, endsAt, { kind: 'file.operated', namespace: '/hook', event: 'file_operation', ...agent, tool_name: tool, summary: `read ${file}`, data: read }));
    return events;
  }

  #todos(session) {
    const done = this.next(TODOS.length);
    const todos = TODOS.map((content, index) => ({ id: String(index + 1), content, status: index < done ? 'completed' : index === done ? 'in_progress' : 'pending', priority: 'medium', activeForm: content }));
    session.todos = { total: todos.length, completed: done, in_progress: 1, pending: todos.length - done - 1 };
    return { summary: `${done} of ${todos.length} done · now: ${TODOS[done]}`, data: { todos, stats: session.todos } };
  }
}

export function iso(time) {
  return new Date(time).toISOString();
}
