import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    // Everything is a file of its own: the page runs under a policy that
    // allows no inline script, style or data: URL.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
});
