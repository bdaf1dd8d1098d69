import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['onefold-source', 'module', 'node', 'development|production'] } },
  test: {
    env: { NODE_OPTIONS: '--conditions=onefold-source' },
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
  },
})
