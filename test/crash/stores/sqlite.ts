import { join } from 'node:path'
import type { CrashStore } from './store.ts'

export const sqlite: CrashStore = {
  name: 'sqlite',
  program: new URL('./sqlite.process.ts', import.meta.url),
  beside: { 'onefold-sqlite.worker': new URL('../../../src/store/sqlite/onefold-sqlite.worker.ts', import.meta.url) },
  start: async () => ({
    ledger: async (folder) => join(folder, 'ledger.db'),
    close: () => Promise.resolve(),
  }),
}
