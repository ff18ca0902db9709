// Saves what the filter shows as a JSON file.
import { app } from '../../state/app.svelte';

export async function exportShown(): Promise<void> {
  app.toast('Exporting');
  await app.attempt(async () => {
    const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const { blob, count, truncated, stream } = await app.client.ask({ what: 'export', filter: app.route.filter, timeZone });
    const link = document.createElement('a');
    link.href = stream !== '' && blob.size === 0 ? app.origin + stream : URL.createObjectURL(blob);
    link.download = `monitor-${app.port}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${stream === '' ? 'json' : 'ndjson'}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    if (stream !== '') app.toast('More than a tab holds: the server streams all that the filter finds, one event a line');
    else app.toast(`Exported ${count.toLocaleString('en-US')} events${truncated ? ', the newest: the server has older ones, and the file says that it was cut' : ''}`);
  }, 'The export failed: ');
}
