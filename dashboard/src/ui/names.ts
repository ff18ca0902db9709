// Names of files and folders, shortened for people.

/** The last part of a path. */
export function baseName(path: string): string {
  return path.split(/[/\\]/).filter((part) => part !== '').at(-1) ?? '';
}

/** The path as seen from a folder; whole when it lies elsewhere. */
export function seenFrom(folder: string, path: string): string {
  return folder !== '' && path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path;
}
