import type { Core } from './core.ts'
import type { Operation } from './operation.ts'

/** What a duplicate got. */
export type DuplicateAnswer = 'replayed' | 'joined' | 'refused' | 'in-doubt'

interface Noted {
  readonly tenant: string
  readonly counts: Map<DuplicateAnswer, number>
}

/**
 * Remembers duplicates for the ledger's timeline. They are written together by the housekeeping, so that a replay stays
 * a read; what a crash takes with it are counts, never the truth.
 */
export interface DuplicateNotes {
  add(op: Operation, answer: DuplicateAnswer): void
  /** Writes what was noted since. @throws OnefoldError STORE_UNAVAILABLE */
  flush(core: Core): Promise<void>
}

const MOST_KEYS = 10_000

export function createDuplicateNotes(): DuplicateNotes {
  let noted = new Map<string, Noted>()

  function add(op: Operation, answer: DuplicateAnswer): void {
    const known = noted.get(op.key)
    if (known !== undefined) {
      known.counts.set(answer, (known.counts.get(answer) ?? 0) + 1)
    } else if (noted.size < MOST_KEYS) {
      noted.set(op.key, { tenant: op.tenant, counts: new Map([[answer, 1]]) })
    }
  }

  async function flush(core: Core): Promise<void> {
    const batch = noted
    noted = new Map()
    const writes = Array.from(batch, async ([key, { tenant, counts }]) => {
      const { record } = await core.journal.read(key, tenant)
      if (record === undefined) return
      await core.journal.withDeadline(
        core.journal.store.note(key, tenant, {
          transition: 'duplicate',
          from: record.state,
          to: record.state,
          fence: record.fence,
          nonce: record.nonce,
          who: core.processes.self,
          why: Array.from(counts, ([answer, count]) => `${answer} × ${count}`).join(', '),
          openSends: record.openSends,
        }),
      )
    })
    await Promise.all(writes)
  }

  return { add, flush }
}
