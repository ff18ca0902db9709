// Why something did not work, for people.

/** The error's own words, where it has some. */
export function reasonOf(error: unknown, otherwise = 'The server did not answer'): string {
  return error instanceof Error && error.message !== '' ? error.message : otherwise;
}
