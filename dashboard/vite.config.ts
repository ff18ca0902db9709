// Builds the page: hashed assets named relative to it, so that it lives under any path, the theme set by a blocking external script, fonts fetched early.
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
        const src = context.bundle ? `./${name}` : '/src/theme-boot.js';
        const fonts = Object.keys(context.bundle ?? {}).filter((file) => file.endsWith('.woff2'));
        const preloads = fonts.map((file): HtmlTagDescriptor => ({
          tag: 'link',
          attrs: { rel: 'preload', href: `./${file}`, as: 'font', type: 'font/woff2', crossorigin: true },
          injectTo: 'head-prepend',
        }));
        return [{ tag: 'script', attrs: { src }, injectTo: 'head-prepend' }, ...preloads];
      },
    },
  };
}

/** A second copy of the page for addresses one folder deeper, as `/work/files`: relative names cannot be right for both. */
function deepPage(): Plugin {
  return {
    name: 'deep-page',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const page = bundle['index.html'];
        if (page?.type !== 'asset') throw new Error('the build has no index.html');
        this.emitFile({ type: 'asset', fileName: 'deep.html', source: String(page.source).replaceAll('"./assets/', '"../assets/') });
      },
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), themeBoot(), deepPage()],
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
