// The one wire to the server: a Socket.IO socket of namespace /monitor that reconnects for ever.
import { io, type Socket } from 'socket.io-client';
import { decodeConnectError, decodeServerTime } from '../contract/decode';
import { socketAddress } from './address';
import { retryDelay } from './backoff';

export type Phase =
  /** Not asked to connect (`?autoconnect=false`). */
  | 'off'
  | 'connecting'
  | 'live'
  /** Connected once, gone now; tries again by itself. */
  | 'lost'
  /** The first try failed; goes on trying. */
  | 'failed'
  /** The server wants a token, or another one. */
  | 'token';

export interface Link {
  phase: Phase;
  origin: string;
  socketId: string;
  transport: string;
  connectedAt: number;
  lostAt: number;
  retryAt: number;
  attempts: number;
  message: string;
  roundTripMs: number | undefined;
  /** Server clock minus this clock. */
  skewMs: number | undefined;
}

export interface Receiver {
  linked(link: Link): void;
  hello(value: unknown): void;
  events(value: unknown): void;
  gap(value: unknown): void;
  state(value: unknown): void;
}

const CONNECT_TIMEOUT_MS = 8000;
const PING_EVERY_MS = 5000;
const TOKEN_REFUSED = /authentication token|unauthori[sz]ed|401/i;

export class Connection {
  #socket: Socket | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #link: Link;

  constructor(origin: string, private token: string, private readonly receiver: Receiver) {
    this.#link = {
      phase: 'off', origin, socketId: '', transport: '', connectedAt: 0, lostAt: 0, retryAt: 0, attempts: 0, message: '', roundTripMs: undefined, skewMs: undefined,
    };
  }

  get link(): Link {
    return this.#link;
  }

  connect(token?: string): void {
    if (token !== undefined) this.token = token;
    this.#drop();
    if (this.#link.connectedAt === 0) this.#tell({ phase: 'connecting', retryAt: 0 });
    else this.#tell({ retryAt: 0 });
    const { origin, path } = socketAddress(this.#link.origin);
    const socket = io(`${origin}/monitor`, {
      path,
      auth: this.token === '' ? {} : { token: this.token },
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_TIMEOUT_MS,
    });
    this.#socket = socket;
    socket.on('connect', () => this.#connected(socket));
    socket.on('connect_error', (error: unknown) => this.#ended(socket, decodeConnectError(error)));
    socket.on('disconnect', (reason: string) => this.#ended(socket, reason));
    socket.on('hello', (value: unknown) => this.receiver.hello(value));
    socket.on('events', (value: unknown) => this.receiver.events(value));
    socket.on('gap', (value: unknown) => this.receiver.gap(value));
    socket.on('state', (value: unknown) => this.receiver.state(value));
  }

  disconnect(): void {
    this.#drop();
    this.#tell({ phase: 'off', socketId: '', retryAt: 0, message: '' });
  }

  setSkew(skewMs: number): void {
    this.#tell({ skewMs });
  }

  #connected(socket: Socket): void {
    const transport = (): string => socket.io.engine.transport.name;
    socket.io.engine.on('upgrade', () => this.#tell({ transport: transport() }));
    this.#tell({ phase: 'live', socketId: socket.id ?? '', transport: transport(), connectedAt: Date.now(), attempts: 0, retryAt: 0, message: '', roundTripMs: undefined });
    this.#ping = setInterval(() => this.#measure(socket), PING_EVERY_MS);
    this.#measure(socket);
  }

  #measure(socket: Socket): void {
    const sent = performance.now();
    const sentAt = Date.now();
    socket.timeout(PING_EVERY_MS).emit('ping_rtt', (error: unknown, answer: unknown) => {
      if (error) return;
      const roundTripMs = performance.now() - sent;
      const serverTime = decodeServerTime(answer);
      this.#tell({ roundTripMs, ...(serverTime > 0 ? { skewMs: serverTime - (sentAt + roundTripMs / 2) } : {}) });
    });
  }

  #ended(socket: Socket, message: string): void {
    if (socket !== this.#socket) return;
    this.#drop();
    const { phase, attempts, connectedAt, lostAt } = this.#link;
    if (TOKEN_REFUSED.test(message)) {
      this.#tell({ phase: 'token', message, socketId: '', retryAt: 0 });
      return;
    }
    const delay = retryDelay(attempts, Math.random());
    this.#tell({
      phase: connectedAt > 0 ? 'lost' : 'failed',
      lostAt: phase === 'live' || lostAt === 0 ? Date.now() : lostAt,
      retryAt: Date.now() + delay,
      attempts: attempts + 1,
      socketId: '',
      message,
    });
    this.#retry = setTimeout(() => this.connect(), delay);
  }

  #drop(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.removeAllListeners();
    socket?.disconnect();
  }

  #tell(change: Partial<Link>): void {
    this.#link = { ...this.#link, ...change };
    this.receiver.linked(this.#link);
  }
}
