import { expect, it } from 'vitest'
import { createDuplicateNotes } from './duplicates.ts'

it('duplicates of ten thousand operations are counted until they are written, and of none that is gone', async () => {
  const notes = createDuplicateNotes()
  const written = new Map<string, string>()
  const core = {
    journal: {
      read: (key: string) => ({ record: key === 'k0' ? undefined : {}, now: 0 }),
      withDeadline: (work: unknown) => work,
      store: { note: (key: string, _tenant: string, event: { why: string }) => void written.set(key, event.why) },
    },
    processes: { self: 'me' },
  } as never
  const add = (key: string): void => notes.add({ key, tenant: 't' } as never, 'replayed')
  for (let n = 0; n <= 10_000; n += 1) add(`k${n}`)
  add('k1')
  await notes.flush(core)
  expect(written.size).toBe(9_999)
  expect(['k0', 'k1', 'k9999', 'k10000'].map((key) => written.get(key))).toEqual([
    undefined,
    'replayed × 2',
    'replayed × 1',
    undefined,
  ])
  written.clear()
  add('k10000')
  await notes.flush(core)
  expect([...written.keys()]).toEqual(['k10000'])
})
