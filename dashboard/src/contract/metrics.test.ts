// Proves that the server's metrics are read, and that nonsense is nothing.
import { expect, it } from 'vitest';
import { byLabel, parseMetrics, total } from './metrics';

const TEXT = `# HELP claude_mpm_clients Live clients.
# TYPE claude_mpm_clients gauge
claude_mpm_clients{transport="socketio_websocket"} 3
claude_mpm_clients{transport="sse"} 1
claude_mpm_store_writable 1
odd{a="x\\"y",b="1\\n2"} 2.5e3
not a sample
bad{x="1"} NaN
`;

it('reads names, labels and values', () => {
  const samples = parseMetrics(TEXT);
  expect(samples).toHaveLength(4);
  expect(samples[3]).toEqual({ name: 'odd', labels: { a: 'x"y', b: '1 2' }, value: 2500 });
  expect(byLabel(samples, 'claude_mpm_clients', 'transport')).toEqual(new Map([['socketio_websocket', 3], ['sse', 1]]));
});

it('tells what is not told from nothing', () => {
  const samples = parseMetrics(TEXT);
  expect([total(samples, 'claude_mpm_clients'), total(samples, 'claude_mpm_store_writable'), total(samples, 'other')]).toEqual([4, 1, undefined]);
  expect(parseMetrics('<html>not metrics</html>')).toEqual([]);
});
