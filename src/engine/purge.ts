import { knownOptions, type NamesOf } from '../contract/index.ts'
import type { Core } from './core.ts'
import { decide } from './machine.ts'
import type { OperationRecord, State } from './record.ts'

/** What a purge is asked for. */
export interface PurgeOptions {
  /** Counts, and changes nothing. @default false */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  /** Told how many closed operations have been looked at. */
  readonly progress?: (looked: number) => void
}

const NAMES: NamesOf<PurgeOptions> = { dryRun: true, signal: true, progress: true }

/** What a purge came to. */
export interface Purged {
  /** Results erased; that it was done, and its key, stay remembered. */
  readonly expired: number
  /** Operations of which nothing happened, forgotten. */
  readonly deleted: number
  /** Closed, and kept because somebody may still ask again. */
  readonly kept: number
}

const PAGE = 500
const ERASED: readonly State[] = ['committed', 'compensated', 'abandoned']

/**
 * Retention (T17) for everything that is past it, now instead of bit by bit. What is open or in doubt is never touched,
 * and nothing goes before the longest retry horizon is over.
 */
export async function purgeClosed(core: Core, tenant: string | undefined, options: PurgeOptions): Promise<Purged> {
  knownOptions('ledger.purge', options, NAMES)
  const purged = { expired: 0, deleted: 0, kept: 0 }
  const command = { type: 'expire', who: core.processes.self } as const
  let looked = 0
  let after: string | undefined
  do {
    options.signal?.throwIfAborted()
    const page = await core.journal.withDeadline(core.journal.store.closed(PAGE, after))
    for (const record of page.records) {
      if (tenant !== undefined && record.tenant !== tenant) continue
      looked += 1
      if (record.state === 'expired') continue
      const goes =
        options.dryRun === true ? decide(record.key, record, command, page.now).ok : await retire(record, page.now)
      if (!goes) purged.kept += 1
      else if (ERASED.includes(record.state)) purged.expired += 1
      else purged.deleted += 1
    }
    options.progress?.(looked)
    after = page.next
  } while (after !== undefined)
  return purged

  async function retire(record: OperationRecord, now: number): Promise<boolean> {
    options.signal?.throwIfAborted()
    return (await core.journal.apply(record.key, record.tenant, { record, now }, command)).applied
  }
}
