// What agents have to do and what they did to files, from the payloads of events.
import { count, isObject, line, list, name, object, text } from './loose';
import type { Change, Hunk, Todo } from './types';

const TODO_STATES: readonly Todo['status'][] = ['pending', 'in_progress', 'completed'];

/** The list inside a `todo.updated` event. */
export function decodeTodos(data: unknown): Todo[] {
  return list(object(data)['todos']).filter(isObject).map((entry, index) => {
    const status = text(entry['status']);
    return {
      id: name(entry['id']) || String(index + 1),
      content: line(text(entry['content'])),
      status: TODO_STATES.find((state) => state === status) ?? 'pending',
      activeForm: line(text(entry['activeForm'])),
    };
  });
}

/** The parts of a `file.operated` event that the Files view shows; `undefined` without a path. */
export function decodeFileOperation(data: unknown): { path: string; operation: string; added: number; removed: number } | undefined {
  const entry = object(data);
  const change = object(entry['change']);
  const path = line(text(entry['path'], 4096) || text(entry['file'], 4096) || text(entry['file_path'], 4096) || text(change['path'], 4096));
  if (path === '') return undefined;
  return { path, operation: name(entry['operation']), added: count(change['added'] ?? entry['added']), removed: count(change['removed'] ?? entry['removed']) };
}

/** What a content answer of a call says it did to a file: the tool's own patch, else the text it wrote. */
export function decodeChange(value: unknown): Omit<Change, 'callSeq'> {
  const data = object(object(value)['data']);
  const response = object(data['tool_response']);
  const input = object(data['tool_input']);
  const hunks = list(response['structuredPatch']).filter(isObject).map((hunk): Hunk => ({
    oldStart: count(hunk['oldStart']), newStart: count(hunk['newStart']), lines: list(hunk['lines']).filter((entry) => typeof entry === 'string'),
  }));
  const whole = [input['content'], input['new_source'], response['content']].find((entry) => typeof entry === 'string');
  return { hunks, created: response['type'] === 'create', whole: hunks.length === 0 && typeof whole === 'string' ? whole : undefined };
}
