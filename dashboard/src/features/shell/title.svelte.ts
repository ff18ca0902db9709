// The tab's title and icon count the sessions that need a person.
import { app } from '../../state/app.svelte';

const ICON = (needs: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><rect width="20" height="20" rx="3" fill="#141d20"/><rect x="3" y="4" width="14" height="3" fill="#ffc043"/><rect x="3" y="8.5" width="9" height="3" fill="#46c9bb"/><rect x="3" y="13" width="6" height="3" fill="#8fa09a"/>${needs > 0 ? '<circle cx="14.5" cy="14.5" r="5" fill="#ffc043" stroke="#141d20"/>' : ''}</svg>`;

export function watchTitle(): void {
  $effect(() => {
    const needs = app.counts.need;
    document.title = `${needs > 0 ? `(${needs}) ` : ''}Monitor :${app.port}`;
    const icon = document.querySelector('link[rel="icon"]');
    if (icon instanceof HTMLLinkElement && needs > 0) icon.href = `data:image/svg+xml,${encodeURIComponent(ICON(needs))}`;
    else if (icon instanceof HTMLLinkElement && icon.href.startsWith('data:')) icon.href = `data:image/svg+xml,${encodeURIComponent(ICON(0))}`;
  });
}
