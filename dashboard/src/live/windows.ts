// How much a model can be sent, by its name: an assumption, and shown as one.

const SMALL = 200_000;
const LARGE = 1_000_000;

/** Models with a window of a million tokens; everything else is taken for 200,000. */
const LARGE_MODELS = [/fable-5/, /mythos-5/, /opus-4-[78]/, /opus-5/, /sonnet-5/, /haiku-5-5/, /\[1m\]/];

/** More than was assumed cannot have been sent: then the window is the large one. */
export function windowOf(model: string, tokens: number): number {
  return tokens > SMALL || LARGE_MODELS.some((name) => name.test(model)) ? Math.max(LARGE, tokens) : SMALL;
}

/** `claude-opus-4-5-20251101` reads as `opus-4-5`. */
export function shortModel(model: string): string {
  return model.replace(/^claude-/, '').replace(/-20\d{6}$/, '');
}
