import { defineConfig } from 'vitest/config'

/**
 * The tests that mutation testing runs over and over: the units of the three rooms and the engine in memory.
 * No child process, no file, no real sleep; everything here together takes seconds.
 */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  ssr: { resolve: { conditions: ['onefold-source', 'module', 'node', 'development|production'] } },
  test: {
    testTimeout: 60_000,
    setupFiles: ['test/mutation/setup.ts'],
    include: ['src/{key,contract,engine}/**/*.test.ts', 'test/mutation/**/*.test.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/{key,contract,engine}/**/*.ts'],
      exclude: ['**/*.test.ts'],
      reporter: ['text', 'json-summary'],
      reportsDirectory: 'node_modules/.cache/onefold/coverage',
      // A branch that no test takes fails the run: test it, or delete it.
      thresholds: { branches: 100 },
    },
  },
})
