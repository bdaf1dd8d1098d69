import { describe, expect, it } from 'vitest'
import { waitForChange } from '../../src/engine/wait.ts'
import { bench, settle } from './bench.ts'
import { virtualClock } from './virtual-clock.ts'

/** A core of which waiting sees clock, store and records. */
function start(localReads: boolean) {
  const time = virtualClock()
  const it = {
    record: { revision: 1, leaseUntil: time.storeMs() + 60_000 } as
      | { revision: number; leaseUntil: number }
      | undefined,
    reads: 0,
    onRead: (): void | Promise<void> => undefined,
    hint: (): void => {},
    onWatch: (): void => {},
    watched: 0,
    closing: false,
  }
  const core = {
    clock: time,
    get closing() {
      return it.closing
    },
    journal: {
      store: {
        guarantees: { localReads },
        watch: (_key: string, listener: () => void) => {
          it.watched += 1
          it.hint = listener
          it.onWatch()
          return () => (it.watched -= 1)
        },
      },
      read: async () => {
        it.reads += 1
        await it.onRead()
        return { record: it.record, now: time.storeMs() }
      },
    },
  }
  const wait = (wanted = () => true) =>
    waitForChange(core as never, 'k', 't', { record: it.record, now: time.storeMs() } as never, wanted)
  return { it, time, wait }
}

describe('waiting for a record', () => {
  it('looks after 2 ms and then twice as long each time, up to 250 ms; ten times as long at first where a look is far', async () => {
    for (const [local, pauses] of [
      [true, [2, 4, 8, 16, 32, 64, 128, 250, 250]],
      [false, [20, 40, 80, 160, 250, 250]],
    ] as const) {
      // prettier-ignore
      const { it, time, wait } = start(local)
      const waiting = wait()
      for (const [n, pause] of pauses.entries()) {
        await time.advance(pause - 1)
        expect(it.reads).toBe(n)
        await time.advance(1)
        expect(it.reads).toBe(n + 1)
      }
      it.record = { revision: 2, leaseUntil: 0 }
      await time.advance(250)
      expect((await waiting).record).toEqual(it.record)
      expect([it.watched, time.timers()]).toEqual([0, []])
    }
  })

  it('looks at once when it is told, also while it looks', async () => {
    const { it, time, wait } = start(true)
    const waiting = wait()
    it.hint()
    await settle()
    expect(it.reads).toBe(1)
    it.onRead = () => {
      it.onRead = () => undefined
      it.hint()
    }
    it.hint()
    await settle()
    expect(it.reads).toBe(3)
    expect(time.timers()).toHaveLength(1)
    it.record = undefined
    it.hint()
    expect((await waiting).record).toBeUndefined()
  })

  it('looks at once when it is told as it begins, and ends with a change though its lease goes on', async () => {
    const { it, time, wait } = start(true)
    it.onWatch = () => it.hint()
    const waiting = wait()
    it.record = { revision: 2, leaseUntil: time.storeMs() + 60_000 }
    await settle()
    expect(it.reads).toBe(1)
    expect((await waiting).record).toBe(it.record)
  })

  it('ends with the lease, when nobody waits any more, and with the engine', async () => {
    const lease = start(true)
    lease.it.record = { revision: 1, leaseUntil: lease.time.storeMs() + 2 }
    const lapsed = lease.wait()
    await lease.time.advance(2)
    expect((await lapsed).record?.revision).toBe(1)
    const unwanted = start(true)
    const left = unwanted.wait(() => false)
    await unwanted.time.advance(2)
    await left
    expect(unwanted.it.reads).toBe(1)
    const closing = start(true)
    const ended = closing.wait()
    closing.it.closing = true
    await closing.time.advance(2)
    await ended
    expect(closing.it.reads).toBe(1)
  })

  it('of nothing is over at once', async () => {
    const { it, time, wait } = start(true)
    it.record = undefined
    const waiting = wait()
    await time.advance(2)
    expect((await waiting).record).toBeUndefined()
    expect(bench().events).toEqual([])
  })
})
