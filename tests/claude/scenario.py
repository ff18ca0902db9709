"""Says which scripted turn answers which request of the client.

A scenario is a JSON object:
  {"defaults":      {turn fields used where a turn does not say},
   "conversations": {"main": [TURN, ...], "<marker>": [TURN, ...]},
   "compact":       TURN,     # answers a request for a summary (default: a short summary)
   "side":          TURN}     # answers title and other requests that belong to no conversation

A request belongs to conversation <marker> when its first user message holds [[marker]], else to "main": give a
subagent the prompt "[[sub-a]] look around" and it plays the list "sub-a". Each request takes the next turn of its
list, so an error turn is followed by the turn that answers the client's retry; past the end comes "All done.".

TURN fields, all optional:
  text, thinking     strings
  tools              [{"name": ..., "input": {...}, "id": "toolu_..."}]; several are parallel calls
  delay_ms           wait before the first byte;  within_ms: between chunks;  chunk: characters per text delta
  usage              overrides usage numbers;  model: the model named in the answer (default: the one asked for)
  stop_reason        default tool_use or end_turn
  error              {"status": 529, "type": "overloaded_error", "message": "...", "headers": {"retry-after": "1"}}
  drop               true: the connection closes in the middle of the stream
  sticky             true: this turn is never left (an endless 429, say)
In strings, "$PROJECT" is the project's folder, and "@repeat N UNIT" is UNIT taken N times.
"""
import json
import re
import threading

SUMMARY = {"text": "<analysis>Scripted.</analysis>\n<summary>\n1. Primary request: the scripted steps.\n"
                   "2. Done so far: everything up to here.\n</summary>"}
SIDE = {"text": '{"title": "Scripted session"}'}
LAST = {"text": "All done."}

MARKER = re.compile(r"\[\[([\w.-]+)\]\]")
ASKS_SUMMARY = re.compile(r"create a detailed summary of (the|this|our) ")
ASKS_ASIDE = re.compile(r"\[SUGGESTION MODE|stepped away")   # forks of the conversation that are no turn of it


class Scenario:
    """The turns of every conversation, and how far each was played."""

    def __init__(self, path, project):
        with open(path, encoding="utf-8") as file:
            self.script = expand(json.load(file), project)
        self.played, self.lock = {}, threading.Lock()

    def turn_for(self, request):
        """-> (conversation, index of the turn or None, turn)"""
        asked = [text_of(m) for m in request.get("messages", []) if m.get("role") == "user"] or [""]
        if ASKS_SUMMARY.search(asked[-1]):
            return "compact", None, self.script.get("compact", SUMMARY)
        if not request.get("tools") or request.get("max_tokens") == 1 or ASKS_ASIDE.search(asked[-1]):
            return "side", None, self.script.get("side", SIDE)
        marker = MARKER.search(asked[0])
        name = marker.group(1) if marker and marker.group(1) in self.script["conversations"] else "main"
        return name, *self.next_turn(name)

    def next_turn(self, name):
        turns = self.script["conversations"].get(name, [])
        with self.lock:
            index = self.played.get(name, 0)
            turn = turns[index] if index < len(turns) else LAST
            if not turn.get("sticky"):
                self.played[name] = index + 1
        return index, {**self.script.get("defaults", {}), **turn}


def expand(value, project):
    """Decodes $PROJECT and @repeat anywhere in a value."""
    if isinstance(value, str):
        if value.startswith("@repeat "):
            _, times, unit = value.split(" ", 2)
            value = unit * int(times)
        return value.replace("$PROJECT", project)
    if isinstance(value, list):
        return [expand(item, project) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, project) for key, item in value.items()}
    return value


def text_of(message):
    """The text of a message, whose content is a string or a list of blocks."""
    content = message.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content if block.get("type") == "text")
