// Finds the loaded body that a cut stands for.
import { decodeContent } from '../../contract/decode';
import type { Json } from '../../contract/types';
import { isJsonObject } from '../../contract/decode';
import { valueText } from './payload';
import { visible } from './ansi';

/** `pointer` as in a cut (`/tool_input/content`); the whole data when it leads nowhere. */
export function contentText(answer: string, pointer: string): string {
  const data = decodeContent(answer);
  const value = follow(data, pointer) ?? data;
  return patchText(value) ?? visible(valueText(value));
}

export function follow(data: Json, pointer: string): Json | undefined {
  let value: Json | undefined = data;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) value = value[Number(key)];
    else value = isJsonObject(value) ? value[key] : undefined;
  }
  return value;
}

/** A patch as Claude Code reports it, as a coloured diff; `undefined` for anything else. */
function patchText(value: Json): string | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const lines: string[] = [];
  for (const hunk of value) {
    if (!isJsonObject(hunk) || !Array.isArray(hunk['lines'])) return undefined;
    lines.push(`@@ -${String(hunk['oldStart'])},${String(hunk['oldLines'])} +${String(hunk['newStart'])},${String(hunk['newLines'])} @@`);
    for (const entry of hunk['lines']) {
      const line = visible(String(entry));
      lines.push(line.startsWith('+') ? `\u001b[32m${line}\u001b[39m` : line.startsWith('-') ? `\u001b[31m${line}\u001b[39m` : line);
    }
  }
  return lines.join('\n');
}
