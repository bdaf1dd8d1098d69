import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'

/** Ledgers that stories can be played on. */
export const LEDGERS = ['sqlite', 'memory'] as const
export type LedgerKind = (typeof LEDGERS)[number]

/** A fresh ledger for every mark; opened again under its mark it holds what it held. */
export function openLedgers(kind: LedgerKind): { readonly open: (mark: string) => Store; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-scenarios-'))
  const kept = new Map<string, Store>()
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  if (kind === 'sqlite') return { open: (mark) => sqliteStore(join(folder, `${mark}.db`)), remove }
  return {
    open: (mark) => {
      const store = kept.get(mark) ?? memoryStore()
      kept.set(mark, store)
      return store
    },
    remove,
  }
}
