import type { Store, StoreTransaction, Write, WriteAnswer } from '../../src/engine/index.ts'
import { OnefoldError } from '../../src/error/index.ts'

/** What a transactional tool works with: rows that stand only once its transaction has committed. */
export interface TableHandle {
  insert(ref: string): void
  /** What no tool may do: what was inserted stands, and the engine's transaction is gone. */
  commitAlone(): void
}

/** A table in the database of the ledger. */
export interface Table {
  /** Rows that were committed for a reference: the effects. */
  rows(ref: string): number
  /** Transactions that have begun and not ended. */
  open(): number
  begin(): Promise<StoreTransaction>
}

/** Transactions over a store whose writes are synchronous: rows and records of one are committed in one turn. */
export function tableIn(store: Store): Table {
  const rows: string[] = []
  let open = 0
  return {
    rows: (ref) => rows.filter((row) => row === ref).length,
    open: () => open,
    async begin() {
      const staged: string[] = []
      let ended = false
      let escaped = false
      const end = (): void => {
        if (!ended) open -= 1
        ended = true
      }
      const refuseEscaped = (): void => {
        if (!escaped) return
        throw new OnefoldError('CONTRACT_INVALID', 'the tool ended the transaction of the engine', {
          effect: 'unknown',
        })
      }
      open += 1
      const handle: TableHandle = {
        insert(ref) {
          if (ended) throw new Error('the transaction has ended')
          staged.push(ref)
        },
        commitAlone() {
          rows.push(...staged.splice(0))
          escaped = true
        },
      }
      return {
        handle,
        async commit(writes) {
          if (ended) throw new Error('the transaction has ended')
          end()
          refuseEscaped()
          const [first] = writes as readonly [Write, ...Write[]]
          const reading = store.read(first.key, first.tenant)
          if (reading instanceof Promise) throw new Error('a local store is expected')
          if ((reading.record?.revision ?? 0) !== first.expect) {
            const { sequence, amnesia } = await store.epoch()
            return { applied: false, ...reading, sequence, amnesiaAt: amnesia?.at ?? 0 }
          }
          rows.push(...staged)
          const answers = await Promise.all(writes.map((write) => store.write(write)))
          return answers.at(-1) as WriteAnswer
        },
        async rollback() {
          end()
          refuseEscaped()
        },
      }
    },
  }
}
