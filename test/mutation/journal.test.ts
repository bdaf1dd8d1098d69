import { describe, expect, it } from 'vitest'
import { OnefoldError } from '../../src/error/index.ts'
import { give, NOW, recordIn } from '../explore/machine-fixture.ts'
import { bench, refusalOf, settle, unavailable, type Trouble } from './bench.ts'
import { startJournal as start } from './on-journal.ts'

describe('a deadline on every call', () => {
  it('after which the ledger counts as away; told once, until it answers again', async () => {
    const { time, trouble, journal, events } = await start()
    trouble.request = () => new Promise(() => undefined)
    const first = refusalOf(Promise.resolve(journal.read('k', 'default')))
    await time.advance(1_999)
    expect(events).toEqual([])
    await time.advance(1)
    const error = await first
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true, retryAfterMs: 1_000 })
    expect(error.message).toContain('2000 ms')
    expect(events).toEqual([['store', { available: false, message: error.message }]])
    const second = refusalOf(journal.withDeadline(new Promise(() => undefined)))
    await time.advance(2_000)
    await second
    expect(events).toHaveLength(1)
    expect(await journal.withDeadline(Promise.resolve(5))).toBe(5)
    expect(events.slice(1)).toEqual([['store', { available: true, message: expect.any(String) as string }]])
    await journal.withDeadline(Promise.resolve(5))
    expect(events).toHaveLength(2)
    expect(time.timers()).toEqual([])
  })

  it('what a store throws becomes STORE_UNAVAILABLE, unless it says more', async () => {
    const { time, trouble, journal, events } = await start({ localReads: false })
    const cause = new Error('connection lost')
    trouble.request = () => {
      throw cause
    }
    const error = await refusalOf(Promise.resolve(journal.read('k', 'default')))
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', cause })
    trouble.request = () => {
      throw new OnefoldError('STORE_UNSAFE', 'no')
    }
    expect(await refusalOf(Promise.resolve(journal.read('k', 'default')))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect(events).toHaveLength(1)
    expect(time.timers()).toEqual([])
  })

  it('a local read answers at once, and fails at once', async () => {
    const { trouble, journal } = await start()
    expect(journal.read('k', 'default')).toMatchObject({ record: undefined })
    const cause = new Error('disk')
    trouble.request = () => {
      throw cause
    }
    expect(() => journal.read('k', 'default')).toThrow(
      expect.objectContaining({ code: 'STORE_UNAVAILABLE', cause }) as Error,
    )
    trouble.request = () => {
      throw new OnefoldError('STORE_UNSAFE', 'no')
    }
    expect(() => journal.read('k', 'default')).toThrow(expect.objectContaining({ code: 'STORE_UNSAFE' }) as Error)
  })
})

describe('a command', () => {
  it('is decided, written under its revision and told', async () => {
    const { inner, time, journal, events, claim } = await start()
    const applied = await claim('of1_a', { mark: true })
    expect(applied).toMatchObject({
      applied: true,
      transition: "T1'",
      record: { key: 'of1_a', state: 'executing', writeId: 'write-1' },
      now: time.storeMs(),
      alarm: undefined,
      amnesiaAt: 0,
    })
    const { record } = applied
    expect(events).toEqual([
      [
        'transition',
        {
          key: 'of1_a',
          tenant: 'default',
          tool: 'refund',
          run: undefined,
          event: {
            transition: "T1'",
            from: 'absent',
            to: 'executing',
            fence: record?.fence,
            nonce: 'fresh',
            who: 'me',
            openSends: 1,
            at: time.storeMs(),
          },
        },
      ],
    ])
    const beat = give('heartbeat', { fence: record!.fence, nonce: 'fresh' })
    await journal.apply('of1_a', 'default', { record, now: time.storeMs() }, beat)
    // A heartbeat is no news.
    expect(events).toHaveLength(1)
    expect((await inner.history('of1_a', 'default')).map(({ transition }) => transition)).toEqual(["T1'", 'heartbeat'])
  })

  it('that is refused writes nothing', async () => {
    const { time, journal, trouble, nothing } = await start()
    trouble.request = (verb) => {
      throw new Error(verb)
    }
    expect(await journal.apply('of1_a', 'default', nothing, give('mark'))).toEqual({
      applied: false,
      refusal: 'state',
      record: undefined,
      now: time.storeMs(),
    })
  })

  it('that met a change is decided anew on what is there', async () => {
    const { journal, claim, nothing } = await start()
    const first = await claim('of1_a')
    const late = await journal.apply('of1_a', 'default', nothing, give('claim', { nonce: 'second' } as never))
    expect(late).toMatchObject({ applied: false, refusal: 'lease', record: first.record })
    const withdrawn = await journal.apply('of1_a', 'default', nothing, give('supersede', { by: 'of1_b' } as never))
    expect(withdrawn).toMatchObject({ applied: false, refusal: 'state' })
  })

  it('that deletes a record has none left', async () => {
    const { time, journal, claim, events, inner } = await start()
    const claimed = await claim('of1_a')
    const mine = { fence: claimed.record!.fence, nonce: 'fresh' }
    const released = await journal.apply('of1_a', 'default', claimed, give('withdraw', mine))
    time.pause(5_000)
    const gone = await journal.apply(
      'of1_a',
      'default',
      { record: released.record, now: time.storeMs() },
      give('expire'),
    )
    expect(gone).toMatchObject({ applied: true, transition: 'T17', record: undefined })
    expect(inner.read('of1_a', 'default')).toMatchObject({ record: undefined })
    expect(events.at(-1)).toMatchObject(['transition', { key: 'of1_a', tool: '', run: undefined }])
  })
})

describe('a lost acknowledgement', () => {
  const loseAnswers = (trouble: Trouble, times: number): void => {
    let left = times
    trouble.answer = (verb) => {
      if (verb === 'write' && left > 0) {
        left -= 1
        throw unavailable()
      }
      return undefined
    }
  }

  it('is found by the write’s own name', async () => {
    const { trouble, claim, inner } = await start()
    loseAnswers(trouble, 1)
    const applied = await claim('of1_a')
    expect(applied).toMatchObject({ applied: true, transition: 'T1', record: { writeId: 'write-1' }, amnesiaAt: 0 })
    expect(await inner.history('of1_a', 'default')).toHaveLength(1)
  })

  it('a lost request is written again', async () => {
    const { trouble, claim, inner } = await start()
    let lost = 2
    trouble.request = (verb) => {
      if (verb === 'write' && (lost -= 1) >= 0) throw unavailable()
    }
    expect(await claim('of1_a')).toMatchObject({ applied: true, record: { writeId: 'write-1' } })
    expect(await inner.history('of1_a', 'default')).toHaveLength(1)
  })

  it('three times lost: unknown', async () => {
    const { trouble, claim } = await start()
    let writes = 0
    trouble.request = (verb) => {
      if (verb === 'write') {
        writes += 1
        throw unavailable()
      }
    }
    expect(await refusalOf(claim('of1_a'))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(writes).toBe(3)
  })

  it('unreadable in between: written again all the same', async () => {
    const { trouble, claim, inner } = await start()
    let lost = 1
    trouble.request = (verb) => {
      if (verb === 'read') throw unavailable()
      if (verb === 'write' && (lost -= 1) >= 0) throw unavailable()
    }
    expect(await claim('of1_a')).toMatchObject({ applied: true })
    expect(await inner.history('of1_a', 'default')).toHaveLength(1)
  })

  it('where another was first, it is decided anew', async () => {
    const { trouble, claim, inner, journal, nothing, time } = await start()
    let lost = true
    trouble.request = async (verb) => {
      if (verb !== 'write' || !lost) return
      lost = false
      const { decide } = await import('../../src/engine/machine.ts')
      const decision = decide('of1_a', undefined, give('claim', { nonce: 'theirs' } as never), time.storeMs())
      if (!decision.ok || decision.draft === undefined) throw new Error('not possible')
      await inner.write({
        key: 'of1_a',
        tenant: 'default',
        expect: 0,
        draft: { ...decision.draft, writeId: 'theirs' },
        event: decision.event,
      })
      throw unavailable()
    }
    expect(await claim('of1_a')).toMatchObject({ applied: false, refusal: 'lease', record: { nonce: 'theirs' } })
    await journal.apply('of1_b', 'default', nothing, give('claim'))
  })

  it('what is no unavailability is not tried again', async () => {
    const { trouble, claim } = await start()
    let writes = 0
    trouble.request = (verb) => {
      if (verb !== 'write') return
      writes += 1
      throw new OnefoldError('STORE_UNSAFE', 'no')
    }
    expect(await refusalOf(claim('of1_a'))).toMatchObject({ code: 'STORE_UNSAFE' })
    expect(writes).toBe(1)
  })
})

describe('what comes late', () => {
  it.each(['answer', 'failure'])('an %s after its deadline changes nothing', async (what) => {
    const { time, journal, events } = await start()
    let end = (): void => {}
    const work = new Promise<void>((resolve, reject) => {
      end = () => (what === 'answer' ? resolve() : reject(new Error('late')))
    })
    const told = refusalOf(journal.withDeadline(work))
    await time.advance(2_000)
    await told
    end()
    await settle()
    expect(events).toHaveLength(1)
  })

  it('of two losses that are found at once, the newer mark is the one that waits to be saved', async () => {
    const { trouble, journal, inner, claim } = await start()
    await claim('of1_a')
    await claim('of1_b')
    const saves: (() => void)[] = []
    trouble.request = (verb) =>
      verb === 'markAmnesia' ? new Promise<void>((resolve) => saves.push(resolve)) : undefined
    let sequence = 1
    trouble.answer = (verb, _args, answer) => (verb === 'epoch' ? { ...(answer as object), sequence } : undefined)
    const first = journal.refreshEpoch()
    await settle()
    sequence = 0
    const second = journal.refreshEpoch()
    await settle()
    expect(saves).toHaveLength(2)
    saves[0]?.()
    await first
    trouble.answer = () => undefined
    // An epoch that knows of no mark may be from before: the second one is still on its way.
    await journal.refreshEpoch()
    expect(journal.amnesia()).toBeDefined()
    saves[1]?.()
    await second
    await journal.refreshEpoch()
    expect((await inner.epoch()).amnesia).toEqual(journal.amnesia())
  })

  it('a store that says nothing of marks has none', async () => {
    const { trouble, journal, claim } = await start()
    trouble.answer = (verb, _args, answer) =>
      verb === 'write' ? { ...(answer as object), amnesiaAt: undefined } : undefined
    expect(await claim('of1_a')).toMatchObject({ applied: true, amnesiaAt: 0 })
    expect(journal.amnesia()).toBeUndefined()
  })
})

describe('the end of a transaction', () => {
  async function transaction() {
    const b = bench({ guarantees: { transactions: true } })
    await b.guard.open()
    const began = await b.table.begin()
    const undone: string[] = []
    const it = { ...began, rollback: async () => (undone.push('rollback'), await began.rollback()) }
    const { journal } = await start()
    return { b, began: it as never, undone, journal }
  }

  it('of a step that the protocol refuses is its undoing', async () => {
    const { began, undone, journal, b } = await transaction()
    const released = { record: recordIn('released'), now: NOW }
    const refused = await journal.commitIn(began, 'of1_a', 'default', released, [give('mark')])
    expect(refused).toEqual({ applied: false, refusal: 'state', ...released })
    expect([undone, b.table.open()]).toEqual([['rollback'], 0])
  })

  it('never forgets a record', async () => {
    const { began, undone, journal } = await transaction()
    const old = { record: recordIn('released', { updatedAt: 0, retryHorizonMs: 0, openSends: 0 }), now: NOW }
    const refused = await journal.commitIn(began, 'of1_a', 'default', old, [give('expire')])
    expect(refused).toMatchObject({ applied: false, refusal: 'state' })
    expect(undone).toEqual(['rollback'])
  })

  it('may be the first that is known of an operation; a store may say nothing of marks', async () => {
    const { began, journal, b } = await transaction()
    const plain = { ...(began as object), commit: async (writes: never) => ({ ...(await (began as { commit(w: never): Promise<object> }).commit(writes)), amnesiaAt: undefined }) } // prettier-ignore
    const claim = { ...give('claim', { mark: false }), nonce: 'n', who: 'me' } as never
    const done = await journal.commitIn(plain as never, 'of1_a', 'default', { record: undefined, now: NOW }, [claim])
    expect(done).toMatchObject({ applied: true, transition: 'T1', amnesiaAt: 0, record: { state: 'claimed' } }) // prettier-ignore
    expect(b.recordOf('of1_a')).toMatchObject({ state: 'claimed', revision: 1, fence: 1 })
  })
})
