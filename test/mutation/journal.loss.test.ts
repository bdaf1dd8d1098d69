import { describe, expect, it } from 'vitest'
import { OnefoldError } from '../../src/error/index.ts'
import type { StoreTransaction, Write, WriteAnswer } from '../../src/engine/index.ts'
import { give } from '../explore/machine-fixture.ts'
import { refusalOf, settle, unavailable, type Trouble } from './bench.ts'
import { startJournal } from './on-journal.ts'

/** Holds the answers of a verb until they are let go, in any order. */
function holdAnswers(trouble: Trouble, verb: string): (() => void)[] {
  const held: (() => void)[] = []
  trouble.answer = (called, _args, answer) =>
    called === verb ? new Promise((resolve) => held.push(() => resolve(answer))) : undefined
  return held
}
const fallen = (trouble: Trouble, sequence: number): void => {
  trouble.answer = (verb, _args, answer) => (verb === 'epoch' ? { ...(answer as object), sequence } : undefined)
}
const alarms = (events: readonly unknown[]): unknown[] => events.filter((event) => (event as string[])[0] === 'alarm')

describe('an answer of the ledger', () => {
  it('that refuses for good says nothing about whether it is there', async () => {
    const { trouble, journal, events } = await startJournal({ localReads: false })
    trouble.request = () => {
      throw new OnefoldError('STORE_UNSAFE', 'no')
    }
    expect(await refusalOf(Promise.resolve(journal.read('k', 'default')))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect(events).toEqual([])
  })

  it('that fails long after its deadline does not take back that the ledger answers again', async () => {
    const { time, journal, events } = await startJournal()
    let fail = (): void => {}
    const first = refusalOf(journal.withDeadline(new Promise<void>((_, reject) => (fail = () => reject(new Error('late')))))) // prettier-ignore
    await time.advance(2_000)
    await first
    await journal.withDeadline(Promise.resolve())
    fail()
    await settle()
    expect(events.map((event) => (event as [string, { available: boolean }])[1].available)).toEqual([false, true])
  })
})

describe('an acknowledgement', () => {
  it('that is always lost is known from the record, and the write stays one', async () => {
    const { trouble, claim, inner } = await startJournal()
    let writes = 0
    trouble.answer = (verb) => {
      if (verb !== 'write') return undefined
      writes += 1
      throw unavailable()
    }
    expect(await claim('of1_a')).toMatchObject({ applied: true, record: { writeId: 'write-1' } })
    expect([writes, await inner.history('of1_a', 'default')]).toMatchObject([1, [{ transition: 'T1' }]])
  })

  it('that a client turned into a conflict, as it wrote twice, is known by the name of the write', async () => {
    const { trouble, claim, inner } = await startJournal()
    trouble.answer = (verb, _args, answer) => (verb === 'write' ? { ...(answer as object), applied: false } : undefined)
    expect(await claim('of1_a')).toMatchObject({ applied: true, transition: 'T1', record: { writeId: 'write-1' } })
    expect(await inner.history('of1_a', 'default')).toHaveLength(1)
  })

  it('that was lost under a mark looks at the epoch once', async () => {
    const { time, trouble, journal, inner, claim } = await startJournal()
    await inner.markAmnesia({ at: time.storeMs(), lossFrom: 0, why: 'theirs' })
    await journal.refreshEpoch()
    let looks = 0
    trouble.request = (verb) => {
      if (verb === 'epoch') looks += 1
    }
    let lost = true
    trouble.answer = (verb) => {
      if (verb !== 'write' || !lost) return
      lost = false
      throw unavailable()
    }
    expect(await claim('of1_a')).toMatchObject({ applied: true, amnesiaAt: time.storeMs() })
    expect(looks).toBe(1)
  })

  /** Between the two requests of a write the ledger is seen at a higher number. */
  async function seenMeanwhile(sequence: number, isApplied: boolean) {
    const on = await startJournal()
    const { trouble, journal } = on
    let isFirst = true
    const lose = (verb: string): void => {
      if (verb !== 'write' || !isFirst) return
      isFirst = false
      throw unavailable()
    }
    trouble.request = (verb) => {
      if (!isApplied) lose(verb)
      if (verb === 'read')
        return journal.refreshEpoch().then(() => {
          throw unavailable()
        })
      return undefined
    }
    trouble.answer = (verb, _args, answer) => {
      if (isApplied) lose(verb)
      return verb === 'epoch' ? { ...(answer as object), sequence } : undefined
    }
    const applied = await on.claim('of1_a')
    return { ...on, applied }
  }

  it('of a request that was repeated is compared with what was known when that was sent', async () => {
    const { applied, journal, events } = await seenMeanwhile(5, false)
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 6 to 1" })
    const amnesiaAt = journal.amnesia()?.at
    expect(applied).toMatchObject({ applied: true, record: { writeId: 'write-1' }, amnesiaAt })
    expect(alarms(events)).toHaveLength(1)
  })

  it('of a request that was repeated without need is no loss where its own number was seen', async () => {
    const { applied, journal, events } = await seenMeanwhile(1, true)
    expect(applied).toMatchObject({ applied: true, record: { writeId: 'write-1' } })
    expect([journal.amnesia(), alarms(events)]).toEqual([undefined, []])
  })

  it('that comes after a later one is no step back', async () => {
    const { trouble, journal, claim } = await startJournal()
    const held = holdAnswers(trouble, 'write')
    const both = [claim('of1_a'), claim('of1_b')]
    await settle()
    held[1]?.()
    await both[1]
    held[0]?.()
    await both[0]
    fallen(trouble, 1)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 2 to 1" })
  })
})

describe('the mark of a loss', () => {
  it('that was found here and is lifted by an operator is gone here too', async () => {
    const { trouble, journal, inner, claim } = await startJournal()
    await claim('of1_a')
    fallen(trouble, 0)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toBeDefined()
    trouble.answer = () => undefined
    await inner.markAmnesia(undefined)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toBeUndefined()
  })

  it('that could not be saved gives way to one that another set', async () => {
    const { time, trouble, journal, inner, claim } = await startJournal()
    await claim('of1_a')
    fallen(trouble, 0)
    trouble.request = (verb) => {
      if (verb === 'markAmnesia') throw unavailable()
    }
    await refusalOf(journal.refreshEpoch())
    expect(journal.amnesia()).toBeDefined()
    trouble.request = () => undefined
    trouble.answer = () => undefined
    const theirs = { at: time.storeMs() + 5, lossFrom: 0, why: 'theirs' }
    await inner.markAmnesia(theirs)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toEqual(theirs)
  })

  it('is not lifted by an answer from before it was saved', async () => {
    const { trouble, journal, claim } = await startJournal()
    await claim('of1_a')
    fallen(trouble, 0)
    let save = (): void => {}
    trouble.request = (verb) => (verb === 'markAmnesia' ? new Promise<void>((resolve) => (save = resolve)) : undefined)
    const found = journal.refreshEpoch()
    await settle()
    const held = holdAnswers(trouble, 'epoch')
    const early = journal.refreshEpoch()
    await settle()
    save()
    await found
    held[0]?.()
    await early
    expect(journal.amnesia()).toBeDefined()
  })

  it('is not lifted with an earlier one while it is on its way to the store', async () => {
    const { trouble, journal, inner, claim } = await startJournal()
    await claim('of1_a')
    await claim('of1_b')
    const saves: (() => void)[] = []
    trouble.request = (verb) =>
      verb === 'markAmnesia' ? new Promise<void>((resolve) => saves.push(resolve)) : undefined
    fallen(trouble, 1)
    const first = journal.refreshEpoch()
    await settle()
    fallen(trouble, 0)
    const second = journal.refreshEpoch()
    await settle()
    trouble.answer = () => undefined
    saves[0]?.()
    await first
    await inner.markAmnesia(undefined)
    await journal.refreshEpoch()
    expect(journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 2 to 0" })
    saves[1]?.()
    await second
  })
})

describe('the end of a transaction', () => {
  /** One that writes to the store in order, with `change` made to what it answers. */
  async function ending(change: (answer: WriteAnswer) => Promise<WriteAnswer> | WriteAnswer = (answer) => answer) {
    const it = await startJournal()
    const transaction: StoreTransaction = {
      handle: undefined,
      commit: async (writes: readonly Write[]) => {
        let answer: WriteAnswer | undefined
        for (const write of writes) answer = await it.inner.write(write)
        return await change(answer as WriteAnswer)
      },
      rollback: async () => undefined,
    }
    const claimed = await it.claim('of1_a')
    const mine = { fence: claimed.record!.fence, nonce: 'fresh' }
    const end = () =>
      it.journal.commitIn(transaction, 'of1_a', 'default', claimed, [give('mark', mine), give('commit', mine)])
    return { ...it, claimed, end }
  }

  it('writes each step under a name of its own, and tells them in order', async () => {
    const { end, inner, events } = await ending()
    expect(await end()).toMatchObject({
      applied: true,
      transition: 'T5',
      record: { state: 'committed', writeId: 'write-3' },
    })
    expect((await inner.history('of1_a', 'default')).map(({ transition }) => transition)).toEqual(['T1', 'T2', 'T5'])
    expect(events.map((event) => (event as [string, { event: { transition: string } }])[1].event.transition)).toEqual([
      'T1',
      'T2',
      'T5',
    ])
  })

  it('that met a change is told with what is there, and applied nothing', async () => {
    const { end, time, events, claimed } = await ending((answer) => ({ ...answer, applied: false }))
    const told = events.length
    expect(await end()).toMatchObject({
      applied: false,
      refusal: 'fence',
      now: time.storeMs(),
      record: { key: 'of1_a' },
    })
    expect(events).toHaveLength(told)
    expect(claimed.applied).toBe(true)
  })

  it('counts in the sequence: one that stands still is a loss, a higher one is the measure', async () => {
    const still = await ending((answer) => ({ ...answer, sequence: 1 }))
    expect(await still.end()).toMatchObject({ applied: true, amnesiaAt: still.time.storeMs() })
    expect(alarms(still.events)).toHaveLength(1)
    const grown = await ending()
    await grown.end()
    expect(grown.journal.amnesia()).toBeUndefined()
    fallen(grown.trouble, 2)
    await grown.journal.refreshEpoch()
    expect(grown.journal.amnesia()).toMatchObject({ why: "the store's sequence fell from 3 to 2" })
  })

  it('hears of a mark that another set', async () => {
    const it = await ending()
    const mark = { at: it.time.storeMs(), lossFrom: 0, why: 'theirs' }
    await it.inner.markAmnesia(mark)
    expect(await it.end()).toMatchObject({ applied: true, amnesiaAt: mark.at })
    expect(it.journal.amnesia()).toEqual(mark)
  })
})
