import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuard, type Guard, type GuardOptions, type Settings, type Store } from '../../src/engine/index.ts'
import { downstreamFetch } from '../../src/downstream/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../src/system/index.ts'

/** Times that make a scenario short; each keeps its proportion to the others. */
export const QUICK: Partial<Settings> = {
  leaseMs: 600,
  heartbeatMs: 200,
  sendGraceMs: 5,
  quarantineMs: 40,
  windowMarginMs: 80,
  sweepMs: 20,
  recoveryBackoffMs: 10,
  waitMs: 5_000,
}

/** A guard on real clocks, on the memory store unless another is given. */
export function testGuard(
  options: { readonly store?: Store; readonly settings?: Partial<Settings> } & Partial<GuardOptions> = {},
): Guard {
  return createGuard({
    store: memoryStore(),
    allowVolatile: true,
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
    makeFetch: downstreamFetch(),
    ...options,
    settings: { ...QUICK, ...options.settings },
  })
}

/** A folder that is removed by `remove`. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'onefold-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** The stores that every scenario runs on, each made fresh in a folder. */
export const STORES: readonly (readonly [name: string, make: (folder: string) => Store])[] = [
  ['memory', () => memoryStore()],
  ['sqlite', (folder) => sqliteStore(join(folder, 'ledger.db'))],
]
