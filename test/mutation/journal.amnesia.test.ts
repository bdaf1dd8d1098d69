import { describe, expect, it } from 'vitest'
import { createEmitter } from '../../src/engine/events.ts'
import { createJournal } from '../../src/engine/journal.ts'
import { give } from '../explore/machine-fixture.ts'
import { refusalOf, settle, unavailable, type Trouble } from './bench.ts'
import { startJournal as start } from './on-journal.ts'
import { virtualClock } from './virtual-clock.ts'

describe('amnesia', () => {
  const forget = (trouble: Trouble, by: number): void => {
    trouble.answer = (verb, _args, answer) =>
      verb === 'write' || verb === 'epoch'
        ? { ...(answer as object), sequence: (answer as { sequence: number }).sequence - by }
        : undefined
  }

  it('a sequence that fell below an acknowledged one is a loss: the mark is set for all', async () => {
    const { time, trouble, journal, inner, events, claim } = await start()
    for (const key of ['of1_a', 'of1_b', 'of1_c']) await claim(key)
    expect(journal.amnesia()).toBeUndefined()
    forget(trouble, 2)
    time.pause(500)
    const applied = await claim('of1_d')
    const mark = { at: time.storeMs(), lossFrom: 0, why: "the store's sequence fell from 4 to 2" }
    expect(journal.amnesia()).toEqual(mark)
    expect(applied).toMatchObject({ applied: true, amnesiaAt: mark.at })
    expect((await inner.epoch()).amnesia).toEqual(mark)
    const alarms = events.filter((event) => (event as string[])[0] === 'alarm')
    expect(alarms).toEqual([
      ['alarm', { key: '', tenant: '', tool: '', run: undefined, message: `amnesia: ${mark.why}` }],
    ])
    // From here on the fallen sequence is the measure.
    await claim('of1_e')
    expect(events.filter((event) => (event as string[])[0] === 'alarm')).toHaveLength(1)
  })

  it('one that stands still although a step was applied is a loss too; one that a conflict shows is not', async () => {
    const { trouble, journal, claim } = await start()
    await claim('of1_a')
    await claim('of1_a', { nonce: 'again' })
    expect(journal.amnesia()).toBeUndefined()
    forget(trouble, 1)
    await claim('of1_b')
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 2 to 1" })
  })

  it('the look at the epoch sees it, on the store’s clock', async () => {
    const { time, trouble, journal, claim } = await start()
    await claim('of1_a')
    await journal.refreshEpoch()
    expect(journal.amnesia()).toBeUndefined()
    forget(trouble, 1)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toMatchObject({ at: time.storeMs(), lossFrom: 0 })
    await journal.refreshEpoch()
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 1 to 0" })
  })

  it('a higher sequence in the epoch is a measure from then on', async () => {
    const { trouble, journal, inner, claim } = await start()
    const other = createJournal({
      store: inner,
      clock: virtualClock(),
      ids: { nonce: () => 'x', runId: () => '' },
      emitter: createEmitter(),
      storeDeadlineMs: 10,
    })
    for (const key of ['of1_a', 'of1_b'])
      await other.apply(key, 'default', { record: undefined, now: 0 }, give('claim'))
    await journal.refreshEpoch()
    forget(trouble, 2)
    await claim('of1_c')
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 3 to 1" })
  })

  it('a mark that another set is heard with the next step, and its lifting too', async () => {
    const { time, journal, inner, claim } = await start()
    const mark = { at: time.storeMs(), lossFrom: 0, why: 'theirs' }
    await inner.markAmnesia(mark)
    expect(await claim('of1_a')).toMatchObject({ applied: true, amnesiaAt: mark.at })
    expect(journal.amnesia()).toEqual(mark)
    await inner.markAmnesia(undefined)
    expect(await claim('of1_b')).toMatchObject({ applied: true, amnesiaAt: 0 })
    expect(journal.amnesia()).toBeUndefined()
  })

  it('a record read before the mark is read again', async () => {
    const { time, journal, inner, claim, trouble } = await start()
    const first = await claim('of1_a')
    const reading = { record: first.record, now: time.storeMs() }
    await inner.markAmnesia({ at: time.storeMs(), lossFrom: 0, why: 'theirs' })
    await claim('of1_b')
    let reads = 0
    trouble.request = (verb) => {
      if (verb === 'read') reads += 1
    }
    const mine = { fence: first.record!.fence, nonce: 'fresh' }
    expect(await journal.apply('of1_a', 'default', reading, give('withdraw', mine))).toMatchObject({ applied: true })
    expect(reads).toBe(1)
    time.pause(1)
    const after = await claim('of1_c')
    await journal.apply('of1_c', 'default', after, give('withdraw', { fence: after.record!.fence, nonce: 'fresh' }))
    expect(reads).toBe(1)
  })

  it('an answer about the epoch that is older than the mark does not lift it', async () => {
    const { time, trouble, journal, inner } = await start()
    let go = (): void => {}
    let stale: unknown
    trouble.answer = (verb, _args, answer) => {
      if (verb !== 'epoch' || stale !== undefined) return undefined
      stale = answer
      return new Promise((resolve) => (go = () => resolve(answer)))
    }
    const first = journal.refreshEpoch()
    await settle()
    const mark = { at: time.storeMs(), lossFrom: 0, why: 'theirs' }
    await inner.markAmnesia(mark)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toEqual(mark)
    go()
    await first
    expect(journal.amnesia()).toEqual(mark)
  })

  it('while the mark could not be set, every look finds the loss again', async () => {
    const { trouble, journal, claim, inner } = await start()
    await claim('of1_a')
    forget(trouble, 1)
    trouble.request = (verb) => {
      if (verb === 'markAmnesia') throw unavailable()
    }
    expect(await refusalOf(journal.refreshEpoch())).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    trouble.request = () => undefined
    await journal.refreshEpoch()
    expect((await inner.epoch()).amnesia).toBeDefined()
  })

  it('a lost acknowledgement looks at the sequence, as its answer did not tell it', async () => {
    const { trouble, journal, claim } = await start()
    await claim('of1_a')
    await claim('of1_b')
    let lost = true
    trouble.answer = (verb, _args, answer) => {
      if (verb === 'write' && lost) {
        lost = false
        throw unavailable()
      }
      return verb === 'epoch' ? { ...(answer as object), sequence: 2 } : undefined
    }
    await claim('of1_c')
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 3 to 2" })
  })
})
