// The page's side of the worker: starts it, sends it messages, asks it questions.
import workerUrl from '../live/worker.ts?worker&url';
import type { Answers, Ask, FromWorker, ToWorker } from '../live/protocol';

export class Client {
  readonly #worker: Worker;

  constructor(receive: (message: FromWorker) => void) {
    this.#worker = new Worker(trusted(workerUrl), { type: 'module', name: 'monitor' });
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => receive(event.data);
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** One channel a question, so that an answer needs no number. */
  ask<What extends Ask['what']>(ask: Extract<Ask, { what: What }>): Promise<Answers[What]> {
    return new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = (event) => {
        port1.close();
        if (event.data.ok) resolve(event.data.value);
        else reject(new Error(event.data.message));
      };
      const message: ToWorker = { type: 'ask', ask };
      this.#worker.postMessage(message, [port2]);
    });
  }
}

/** The page's policy admits exactly one script for a worker: ours. */
function trusted(url: string): string {
  const policy = window.trustedTypes?.createPolicy('monitor-worker', {
    createScriptURL(candidate) {
      if (candidate !== workerUrl) throw new TypeError('only the monitor worker may be started');
      return candidate;
    },
  });
  return policy ? policy.createScriptURL(url) : url;
}
