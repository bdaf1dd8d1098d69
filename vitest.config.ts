import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const UNITS = ['src/**/*.test.ts', 'test/mutation/**/*.test.ts']

export default defineConfig({
  ssr: { resolve: { conditions: ['onefold-source', 'node', 'development|production'] } },
  test: {
    env: {
      NODE_OPTIONS: '--conditions=onefold-source',
      // Tests start hundreds of processes; without this each of them would strip and compile the sources anew.
      NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/onefold/compiled', import.meta.url)),
    },
    // One more than there are cores: nearly half of the time goes into waiting for processes and servers.
    maxWorkers: availableParallelism() + 1,
    // Machines are shared and noisy; what must be fast is measured by benches, not by tests.
    testTimeout: 60_000,
    // On CI's shared machine a process may stand still for seconds. A second try is printed as such, and a cause to mend.
    retry: process.env['CI'] === undefined ? 0 : 1,
    hookTimeout: 60_000,
    projects: [
      // A process of its own for each of these would load the sources 155 times: a minute of two cores. They keep no state
      // between files but in what they make themselves.
      { extends: true, test: { name: 'units', include: UNITS, isolate: false } },
      {
        extends: true,
        test: { name: 'programs', include: ['test/**/*.test.ts'], exclude: [...UNITS, '**/node_modules/**'] },
      },
    ],
  },
})
