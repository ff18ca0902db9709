// Finds the loaded body that a cut stands for.
import { decodeContent } from '../../contract/decode';
import type { Json } from '../../contract/types';
import { isJsonObject } from '../../contract/decode';
import { valueText } from './payload';
import { visible } from './ansi';

/** `pointer` as in a cut (`/tool_input/content`); the whole data when it leads nowhere. */
export function contentText(answer: string, pointer: string): string {
  const data = decodeContent(answer);
  return visible(valueText(follow(data, pointer) ?? data));
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
