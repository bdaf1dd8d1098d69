import type { Claim } from '../../src/engine/commands.ts'
import { createEmitter } from '../../src/engine/events.ts'
import { createJournal, type Journal } from '../../src/engine/journal.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { give } from '../explore/machine-fixture.ts'
import { troubled, type Trouble } from './bench.ts'
import { virtualClock } from './virtual-clock.ts'

/** A journal on the memory store, of which every request and answer can be lost; what it tells is kept. */
export async function startJournal(guarantees = {}) {
  const time = virtualClock()
  const inner = memoryStore({ clock: () => time.storeMs() })
  await inner.open()
  const trouble: Trouble = { request: () => undefined, answer: () => undefined }
  const store = troubled(inner, trouble, guarantees)
  const events: unknown[] = []
  const emitter = createEmitter()
  for (const name of ['store', 'alarm', 'transition'] as const) emitter.on(name, (event) => events.push([name, event]))
  let names = 0
  const journal: Journal = createJournal({
    store,
    clock: time,
    ids: { nonce: () => `write-${(names += 1)}`, runId: () => '' },
    emitter,
    storeDeadlineMs: 2_000,
  })
  const nothing = { record: undefined, now: time.storeMs() }
  const claim = (key: string, change: Partial<Claim> = {}) =>
    journal.apply(key, 'default', nothing, give('claim', change as never))
  return { time, inner, trouble, store, journal, events, claim, nothing }
}
