// Builds the page: hashed absolute assets, the theme set by a blocking external script, fonts fetched early.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { HtmlTagDescriptor, Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Emits `src/theme-boot.js` as a classic hashed script before everything else, so that no frame shows the wrong theme. */
function themeBoot(): Plugin {
  const source = readFileSync(new URL('./src/theme-boot.js', import.meta.url), 'utf8');
  const name = `assets/theme-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js`;
  return {
    name: 'theme-boot',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: name, source });
    },
    transformIndexHtml: {
      order: 'post',
      handler(_html, context) {
        const src = context.bundle ? `/${name}` : '/src/theme-boot.js';
        const fonts = Object.keys(context.bundle ?? {}).filter((file) => file.endsWith('.woff2'));
        const preloads = fonts.map((file): HtmlTagDescriptor => ({
          tag: 'link',
          attrs: { rel: 'preload', href: `/${file}`, as: 'font', type: 'font/woff2', crossorigin: true },
          injectTo: 'head-prepend',
        }));
        return [{ tag: 'script', attrs: { src }, injectTo: 'head-prepend' }, ...preloads];
      },
    },
  };
}

export default defineConfig({
  base: '/',
  plugins: [svelte(), themeBoot()],
  worker: { format: 'es' },
  build: {
    outDir: process.env.CLAUDE_MPM_DASHBOARD_OUT || 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  server: { proxy: { '/socket.io': { target: 'http://127.0.0.1:8765', ws: true }, '/api': 'http://127.0.0.1:8765', '/health': 'http://127.0.0.1:8765', '/emit': 'http://127.0.0.1:8765' } },
  test: { include: ['src/**/*.test.ts'] },
});
