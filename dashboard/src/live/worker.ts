// The worker's door: hands the page's messages to the engine.
import { reasonOf } from '../contract/reason';
import { Engine } from './engine';
import type { Answer, FromWorker, ToWorker } from './protocol';

let engine: Engine | undefined;

function post(message: FromWorker): void {
  postMessage(message);
}

self.onmessage = (event: MessageEvent<ToWorker>): void => {
  const message = event.data;
  if (message.type === 'start') {
    engine = new Engine(message.origin, message.token, message.capacity, post);
    if (message.connect) engine.connect();
    else engine.disconnect();
    return;
  }
  if (!engine) return;
  switch (message.type) {
    case 'connect':
      engine.connect(message.token);
      break;
    case 'disconnect':
      engine.disconnect();
      break;
    case 'filter':
      engine.setFilter(message.line);
      break;
    case 'hide':
      engine.hide(message.hidden);
      break;
    case 'window':
      engine.window(message.request);
      break;
    case 'older':
      void engine.older();
      break;
    case 'ask':
      void reply(engine.ask(message.ask), event.ports[0]);
      break;
  }
};

async function reply(result: Promise<unknown>, port: MessagePort | undefined): Promise<void> {
  try {
    port?.postMessage({ ok: true, value: await result });
  } catch (error) {
    const failure: Answer = { ok: false, message: reasonOf(error) };
    port?.postMessage(failure);
  }
}
