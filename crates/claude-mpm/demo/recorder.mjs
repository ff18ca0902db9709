// Records what the sessions of the demo tell their hooks: who speaks, when, and which common fields an event carries.
//
// The fields and their order are those of recorded runs of Claude Code (fixtures/claude).
import { Ids } from './ids.mjs';

const HOME = '/home/dev';

/** Events that say the permission mode, and those that say the effort. */
const WITH_MODE = new Set(['UserPromptSubmit', 'PreToolUse', 'PostToolUse', 'PostToolUseFailure', 'PostToolBatch', 'PermissionRequest', 'Stop', 'SubagentStop']);
const WITH_EFFORT = new Set([...WITH_MODE, 'StopFailure']);
WITH_EFFORT.delete('UserPromptSubmit');

/** Events that say which subagent they are from. */
const WITH_AGENT = new Set([...WITH_MODE, 'SubagentStart']);

/** Milliseconds until Claude Code notifies of an open permission dialog, and of an idle prompt. */
const NOTIFIES_OF_PERMISSION_MS = 6_010;
const NOTIFIES_OF_IDLE_MS = 60_010;

export class Recording {
  ids = new Ids();
  /** path -> text: what the tools of all sessions read and change. */
  files = new Map();
  #lines = [];

  session(options) {
    return new Session(this, options);
  }

  add(at_ms, payload) {
    this.#lines.push({ at_ms: Math.round(at_ms), payload });
  }

  lines(end_ms) {
    return this.#lines.filter((line) => line.at_ms <= end_ms).sort((a, b) => a.at_ms - b.at_ms);
  }
}

class Session {
  constructor(recording, { id, project, at_ms, mode = 'default', effort = 'medium', model = 'claude-opus-5-5', pace_ms = 1_500 }) {
    this.recording = recording;
    this.ids = recording.ids;
    this.id = this.ids.uuid(id);
    this.cwd = `${HOME}/${project}`;
    this.transcript = `${HOME}/.claude/projects/-home-dev-${project}/${this.id}.jsonl`;
    this.mode = mode;
    this.effort = effort;
    this.model = model;
    /** How long the model takes for an answer, about. */
    this.pace_ms = pace_ms;
    this.background = [];
    this.todos = [];
    this.main = new Thread(this, at_ms);
  }

  path(name) {
    return name.startsWith('/') ? name : `${this.cwd}/${name}`;
  }

  /** Puts a file where the tools will find it. */
  file(name, text) {
    this.recording.files.set(this.path(name), text);
  }

  /** One event, in the client's order of fields. */
  tell(at_ms, event, fields = {}, agent = null) {
    this.recording.add(at_ms, {
      session_id: this.id,
      transcript_path: this.transcript,
      cwd: this.cwd,
      ...(this.prompt_id && { prompt_id: this.prompt_id }),
      ...(WITH_MODE.has(event) && { permission_mode: this.mode }),
      ...(agent && WITH_AGENT.has(event) && { agent_id: agent.id, agent_type: agent.type }),
      ...(WITH_EFFORT.has(event) && { effort: { level: this.effort } }),
      hook_event_name: event,
      ...fields,
    });
  }

  /** Begins the session: SessionStart, then the instructions that it loads. */
  start(source = 'startup', instructions = ['CLAUDE.md']) {
    this.tell(this.main.now, 'SessionStart', { source, model: this.model });
    for (const [index, name] of instructions.entries()) {
      const memory_type = name.includes('/.claude/') ? 'User' : 'Project';
      this.tell(this.main.now + 60 + 9 * index, 'InstructionsLoaded', { file_path: this.path(name), memory_type, load_reason: 'session_start' });
    }
    this.main.now += 120;
  }

  end(reason = 'prompt_input_exit') {
    this.tell((this.main.now += 40), 'SessionEnd', { reason });
  }

  /** Replaces the conversation by a summary; a hidden agent without a type writes it. */
  compact(summary, took) {
    const main = this.main;
    const agent = { id: this.ids.agent(), type: '' };
    const compact_summary = `<analysis>\nWent through the session in order.\n</analysis>\n\n<summary>\n${summary}\n</summary>`;
    this.tell(main.now, 'PreCompact', { trigger: 'auto', custom_instructions: null });
    main.now += took;
    this.tell(main.now, 'SubagentStop', this.stopped(agent, compact_summary), agent);
    this.tell(main.now + 14, 'SessionStart', { source: 'compact', model: this.model });
    this.tell(main.now + 31, 'PostCompact', { trigger: 'auto', compact_summary });
    main.now += 60;
  }

  /** The fields of Stop and SubagentStop. */
  stopped(agent, last_assistant_message) {
    const path = agent && `${this.transcript.replace('.jsonl', '')}/subagents/agent-${agent.id}.jsonl`;
    return {
      stop_hook_active: false,
      ...(agent && { agent_transcript_path: path }),
      last_assistant_message,
      background_tasks: [...this.background],
      session_crons: [],
    };
  }
}

/** The main thread of a session or one of its subagents: one voice with a clock of its own. */
class Thread {
  /** False once a call of it stays open for ever. */
  goes_on = true;
  /** The calls it has made. */
  calls = [];

  constructor(session, now, agent = null) {
    this.session = session;
    this.now = now;
    this.agent = agent;
  }

  tell(at_ms, event, fields) {
    this.session.tell(at_ms, event, fields, this.agent);
  }

  /** Waits until a time of the recording. */
  until(at_ms) {
    this.now = Math.max(this.now, at_ms);
  }

  prompt(prompt) {
    this.session.prompt_id = this.session.ids.uuid();
    this.tell((this.now += 30), 'UserPromptSubmit', { prompt });
  }

  /** Ends the turn; says so again when nobody answers for a minute. */
  stop(message) {
    this.tell((this.now += 700), 'Stop', this.session.stopped(null, message));
    return { nobody_answers: () => this.tell(this.now + NOTIFIES_OF_IDLE_MS, 'Notification', { message: 'Claude is waiting for your input', notification_type: 'idle_prompt' }) };
  }

  fail(error, last_assistant_message) {
    this.tell((this.now += 900), 'StopFailure', { error, last_assistant_message });
  }

  /** One answer of the model: its calls begin together, those that write wait for each other. */
  does(...calls) {
    if (!this.goes_on) return;
    this.now += this.session.pace_ms * 0.6 + this.session.ids.below(this.session.pace_ms * 0.8);
    let free = this.now;
    let end = this.now;
    for (const [index, call] of calls.entries()) {
      const begin = call.alone ? Math.max(free, end) : this.now + 3 * index;
      call.id = this.session.ids.toolUse();
      end = Math.max(end, this.#run(call, begin));
      free = call.alone ? end + 9 : free;
    }
    this.calls.push(...calls);
    this.goes_on = end !== Infinity;
    if (!this.goes_on) return;
    this.now = end + 13;
    this.tell(this.now, 'PostToolBatch', { tool_calls: calls.map((call) => ({ tool_name: call.tool, tool_input: call.input, tool_use_id: call.id, tool_response: call.told })) });
  }

  /** Tells of one call. -> when it ended, Infinity for never */
  #run(call, begin) {
    const about = { tool_name: call.tool, tool_input: call.input };
    if (call.never_ran) return begin + 5;
    this.tell(begin, 'PreToolUse', { ...about, tool_use_id: call.id });
    const allowed = call.asks ? this.#ask(call, about, begin + 24) : begin;
    if (allowed === Infinity || call.never_ends) return Infinity;
    if (call.asks?.refused) return allowed;
    const end = call.runs ? call.runs(this, allowed) : allowed + call.took;
    if (end === Infinity) return Infinity;
    const duration_ms = Math.round(end - allowed);
    if (call.error) this.tell(end, 'PostToolUseFailure', { ...about, tool_use_id: call.id, error: call.error, is_interrupt: false, duration_ms });
    else this.tell(end, 'PostToolUse', { ...about, tool_response: call.response, tool_use_id: call.id, duration_ms });
    return end;
  }

  /** Asks the user. -> when the answer came, Infinity for never */
  #ask({ asks }, about, at_ms) {
    this.tell(at_ms, 'PermissionRequest', { ...about, ...(asks.suggestions && { permission_suggestions: asks.suggestions }) });
    const answered = at_ms + (asks.answered_after ?? Infinity);
    if (at_ms + NOTIFIES_OF_PERMISSION_MS < answered) this.tell(at_ms + NOTIFIES_OF_PERMISSION_MS, 'Notification', { message: 'Claude needs your permission', notification_type: 'permission_prompt' });
    return answered;
  }

  /** Delegates to a new thread. -> that thread, begun */
  delegate(type, at_ms) {
    const child = new Thread(this.session, at_ms + 16, { id: this.session.ids.agent(), type });
    child.tell(at_ms + 14, 'SubagentStart', {});
    return child;
  }
}
