import { expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import type { Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { testGuard } from '../support/guard.ts'

const ROUNDS_TO_ONE_STEP = 30
const RECORDS = 7

/** Pages of at most two records, as a store has them where a few large records fill an answer. */
const shortPages = (store: Store): Store => ({
  ...store,
  closed: (limit, after) => store.closed(Math.min(limit, 2), after),
})

it('one step of retention goes on from page to page where records are large', async () => {
  let offset = 0
  const store = shortPages(memoryStore({ clock: () => Date.now() + offset }))
  const guard = testGuard({ store, settings: { sweepMs: 3_600_000 } })
  const note = guard.tool({
    name: 'note',
    input: z.object({ n: z.number() }),
    effect: 'write',
    identity: ['n'],
    recovery: manual(),
    execute: ({ n }) => n,
  })
  try {
    for (let n = 0; n < RECORDS; n += 1) await note({ n })
    offset = 2 * 86_400_000
    for (let round = 0; round < ROUNDS_TO_ONE_STEP; round += 1) await guard.internals.tick()
    expect((await guard.ledger.stats()).states).toEqual({ expired: RECORDS })
  } finally {
    await guard.close()
  }
})
