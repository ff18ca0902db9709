// The tool calls of the demo: what each tool is given, what it answers to the hook, and what the model is told.
import { change, hunk } from './patch.mjs';

/** A shell command. `fails` is the exit code; `asks` makes it wait for a permission. */
export function bash(command, description, { out = '', took = 40, fails = 0, ...more } = {}) {
  const error = fails ? `Exit code ${fails}\n${out}` : undefined;
  const response = { stdout: out, stderr: '', interrupted: false, isImage: false, noOutputExpected: out === '' };
  return { tool: 'Bash', input: { command, description }, took, error, response, told: error ?? (out || '(Bash completed with no output)'), ...more };
}

/** A shell command that goes on in the background under the id that it is given. */
export function background(id, command, description) {
  const response = { stdout: '', stderr: '', interrupted: false, isImage: false, noOutputExpected: false, backgroundTaskId: id };
  const told = `Command running in background with ID: ${id}. Output is being written to the task's output file.`;
  return { tool: 'Bash', input: { command, description, run_in_background: true }, took: 18, response, told };
}

/** Reads a file of the recording; `from` and `of` make its text a part of a longer file. */
export function read(session, name, { from = 1, of } = {}) {
  const filePath = session.path(name);
  const content = session.recording.files.get(filePath);
  const lines = content.split('\n');
  const input = { file_path: filePath, ...(of && { offset: from, limit: lines.length }) };
  const file = { filePath, content, numLines: lines.length, startLine: from, totalLines: of ?? lines.length };
  const told = lines.map((line, index) => `${from + index}\t${line}`).join('\n');
  return { tool: 'Read', input, took: 2 + session.ids.below(36), response: { type: 'text', file }, told };
}

/** Reads a file that is not there. */
export function readMissing(session, name) {
  const error = `File does not exist. Note: your current working directory is ${session.cwd}.`;
  return { tool: 'Read', input: { file_path: session.path(name) }, took: 3, error, told: `<tool_use_error>${error}</tool_use_error>` };
}

export function write(session, name, content) {
  const filePath = session.path(name);
  const before = session.recording.files.get(filePath) ?? null;
  const structuredPatch = before === null ? [] : [hunk(before, content)];
  session.recording.files.set(filePath, content);
  const done = before === null ? `File created successfully at: ${filePath}` : `The file ${filePath} has been updated successfully.`;
  return {
    tool: 'Write', alone: true, input: { file_path: filePath, content }, took: 4 + session.ids.below(9),
    response: { type: before === null ? 'create' : 'update', filePath, content, structuredPatch, originalFile: before, userModified: false },
    told: `${done} (file state is current in your context — no need to Read it back)`,
  };
}

export function edit(session, name, oldString, newString) {
  const filePath = session.path(name);
  const before = session.recording.files.get(filePath);
  const after = change(before, oldString, newString);
  session.recording.files.set(filePath, after);
  return {
    tool: 'Edit', alone: true, input: { file_path: filePath, old_string: oldString, new_string: newString, replace_all: false }, took: 3 + session.ids.below(10),
    response: { filePath, oldString, newString, originalFile: before, structuredPatch: [hunk(before, after)], userModified: false, replaceAll: false },
    told: `The file ${filePath} has been updated successfully. (file state is current in your context — no need to Read it back)`,
  };
}

/** An edit that never runs, because the file was not read before: only the batch tells of it. */
export function editUnread(session, name, old_string, new_string) {
  const input = { replace_all: false, file_path: session.path(name), old_string, new_string };
  return { tool: 'Edit', never_ran: true, input, told: '<tool_use_error>File has not been read yet. Read it first before writing to it.</tool_use_error>' };
}

/** A search; `found` lists lines of the form path:line:text. */
export function grep(session, pattern, path, found) {
  const filenames = [...new Set(found.map((line) => line.split(':')[0]))];
  const content = found.join('\n');
  const response = { mode: 'content', numFiles: filenames.length, filenames, content, numLines: found.length };
  return { tool: 'Grep', input: { pattern, path: session.path(path), output_mode: 'content', '-n': true }, took: 20 + session.ids.below(50), response, told: content || 'No matches found' };
}

export function webFetch(url, prompt, result, { took, bytes }) {
  const response = { bytes, code: 200, codeText: 'OK', result, durationMs: took, url };
  return { tool: 'WebFetch', input: { url, prompt }, took, response, told: result };
}

/** A question to the user that nobody answers within the recording. */
export function question(text, header, options) {
  const questions = [{ question: text, header, options, multiSelect: false }];
  return { tool: 'AskUserQuestion', input: { questions }, asks: {} };
}

export function todoWrite(session, ...todos) {
  const oldTodos = session.todos;
  session.todos = todos;
  const told = 'Todos have been modified successfully. Ensure that you continue to use the todo list to track your progress. Please proceed with the current tasks if applicable';
  return { tool: 'TodoWrite', input: { todos }, took: 1, response: { oldTodos, newTodos: todos }, told };
}

export const todo = (status, content, activeForm) => ({ content, status, activeForm });

/** Puts a task on the list; TaskCreated comes before the call has ended. */
export function taskCreate(session, subject, description, activeForm) {
  const id = String(session.todos.push({ subject, description, status: 'pending' }));
  const runs = (thread, begin) => {
    thread.tell(begin + 7, 'TaskCreated', { task_id: id, task_subject: subject, task_description: description });
    return begin + 11;
  };
  return { tool: 'TaskCreate', alone: true, runs, input: { subject, description, activeForm }, response: { task: { id, subject } }, told: `Task #${id} created successfully: ${subject}` };
}

export function taskUpdate(session, taskId, status) {
  const task = session.todos[taskId - 1];
  const from = task.status;
  task.status = status;
  const runs = (thread, begin) => {
    if (status === 'completed') thread.tell(begin + 6, 'TaskCompleted', { task_id: taskId, task_subject: task.subject, task_description: task.description });
    return begin + 9;
  };
  const response = { success: true, taskId, updatedFields: ['status'], statusChange: { from, to: status } };
  return { tool: 'TaskUpdate', alone: true, runs, input: { taskId, status }, response, told: `Updated task #${taskId} status` };
}

/** Hands a task to a subagent; `story(thread)` plays it and returns its answer, or nothing while it is still open. */
export function agent(type, description, prompt, story, model = 'claude-sonnet-5-5') {
  const call = { tool: 'Agent', input: { description, prompt, subagent_type: type } };
  call.runs = (thread, begin) => {
    const child = thread.delegate(type, begin);
    const answer = story(child);
    if (!child.goes_on || answer === undefined) return Infinity;
    child.now += 420;
    child.tell(child.now, 'SubagentStop', thread.session.stopped(child.agent, answer));
    const totalDurationMs = Math.round(child.now - begin);
    const totalTokens = 9_000 + 1_450 * child.calls.length;
    call.response = {
      status: 'completed', prompt, agentId: child.agent.id, agentType: type, content: [{ type: 'text', text: answer }], resolvedModel: model,
      totalDurationMs, totalTokens, totalToolUseCount: child.calls.length,
      usage: { input_tokens: 6, cache_creation_input_tokens: 1_450, cache_read_input_tokens: totalTokens - 1_900, output_tokens: 444, server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 }, service_tier: 'standard', cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 1_450 }, inference_geo: '', iterations: [], speed: 'standard' },
      toolStats: toolStats(child.calls),
    };
    const spent = `<usage>subagent_tokens: ${totalTokens}\ntool_uses: ${child.calls.length}\nduration_ms: ${totalDurationMs}</usage>`;
    call.told = [{ type: 'text', text: answer }, { type: 'text', text: `agentId: ${child.agent.id} (use SendMessage with to: '${child.agent.id}', summary: '<5-10 word recap>' to continue this agent)\n${spent}` }];
    return child.now + 14;
  };
  return call;
}

/** What the client counts of a subagent's calls. */
function toolStats(calls) {
  const used = (...tools) => calls.filter((call) => tools.includes(call.tool)).length;
  const patched = calls.flatMap((call) => call.response?.structuredPatch ?? []).flatMap((hunk) => hunk.lines);
  return {
    readCount: used('Read'), searchCount: used('Grep'), bashCount: used('Bash'), editFileCount: used('Edit', 'Write'),
    linesAdded: patched.filter((line) => line.startsWith('+')).length, linesRemoved: patched.filter((line) => line.startsWith('-')).length,
    otherToolCount: calls.length - used('Read', 'Grep', 'Bash', 'Edit', 'Write'),
  };
}
