// Where Socket.IO is reached: its client wants the host and the path apart.

/** `root`: the server's address without a slash at its end; a proxy may have put it below a folder. */
export function socketAddress(root: string): { origin: string; path: string } {
  const { origin, pathname } = new URL(root);
  return { origin, path: `${pathname.replace(/\/$/, '')}/socket.io/` };
}
