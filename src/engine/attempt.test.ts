import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { recordIn } from '../../test/explore/machine-fixture.ts'
import { contractOf } from '../../test/mutation/bench.ts'
import { thrownBy } from '../../test/vectors/attempt.ts'
import { virtualClock } from '../../test/mutation/virtual-clock.ts'
import { downstreamKey } from '../key/index.ts'
import { contextOf, maySend, newAttempt, portOf, type SendPort } from './attempt.ts'
import { sleep } from './clock.ts'
import { namelessOperation, nameOperation } from './operation.ts'
import { newRun } from './run.ts'

const naming = { defaultTenant: 'default', keySecret: undefined, previousSecrets: [], maxInputBytes: 10_000 }
const run = newRun({ id: 'r', tenant: 't', session: 's', unanchored: false, mintedUnder: 0 })
const start = (options: object = {}, index?: number) => {
  const op = nameOperation(naming, contractOf(options), { ref: 'a' }, {}, run, undefined, index)
  const time = virtualClock()
  return { op, time, attempt: newAttempt(op, 'n', recordIn('executing'), 7, time.bootMs() + 100, time.bootMs()) }
}

it('a new attempt has sent nothing', () => {
  const { op, attempt, time } = start()
  expect(attempt).toEqual({
    op,
    nonce: 'n',
    record: recordIn('executing'),
    now: 7,
    leaseOverAt: time.bootMs() + 100,
    windowOverAt: Infinity,
    closed: false,
    started: false,
    othersEnded: true,
    sends: [],
    asked: false,
    frame: { nextChild: 0, parts: new Map() },
    keysGiven: undefined,
    controller: expect.any(AbortController) as AbortController,
    beating: undefined,
    lastBeatAt: time.bootMs(),
    begunAt: time.bootMs(),
  })
})

it('may send until its lease or its window is over, or it is closed', () => {
  const { attempt, time } = start()
  time.pause(99)
  expect(maySend(attempt, time)).toBe(true)
  attempt.windowOverAt = time.bootMs()
  expect(maySend(attempt, time)).toBe(false)
  attempt.windowOverAt = time.bootMs() + 1
  expect(maySend(attempt, time)).toBe(true)
  attempt.closed = true
  expect(maySend(attempt, time)).toBe(false)
  attempt.closed = false
  attempt.windowOverAt = Infinity
  time.pause(1)
  expect(maySend(attempt, time)).toBe(false)
})

describe('the port of an attempt', () => {
  it('names what it sends for', () => {
    const { attempt, time } = start({ sends: 'checked' })
    expect(portOf(attempt, time, run)).toMatchObject({
      tool: 'place_order',
      recovery: { class: 'manual' },
      checked: true,
      run: 'r',
      sequenceKey: undefined,
      lineage: undefined,
    })
    const again = start({ recovery: { class: 'keyed', windowMs: 86_400_000, settleMs: 0 } }).attempt
    expect(portOf(again, time, run).lineage).toBe(`${again.op.key}:${again.record.generation}`)
    expect(portOf({ ...again, record: { ...again.record, generation: 2 } }, time, run).lineage).toBe(
      `${again.op.key}:2`,
    )
    expect(portOf(attempt, time, run).signal).toBe(attempt.controller.signal)
    expect(portOf(attempt, time, undefined).run).toBeUndefined()
    expect(portOf(start().attempt, time, run).checked).toBe(false)
    const read = namelessOperation(
      naming,
      contractOf({ effect: 'read', identity: undefined, recovery: undefined }),
      1,
      run,
      'n',
    )
    expect(portOf({ ...attempt, op: read }, time, run)).toMatchObject({ recovery: undefined, lineage: undefined })
    const counted = start({ identity: 'sequence' }, 3)
    expect(portOf(counted.attempt, time, run).sequenceKey).toBe('r::place_order::3')
    expect(portOf(counted.attempt, time, undefined).sequenceKey).toBeUndefined()
  })

  it('keeps its sends, checks each, and derives their keys of the operation and its generation', () => {
    const { op, attempt, time } = start()
    const port = portOf(attempt, time, run)
    const send = port.opened()
    expect(send).toEqual({ state: 'unsent' })
    expect(attempt.sends).toEqual([send])
    expect(attempt.sends[0]).toBe(send)
    port.checkpoint()
    attempt.closed = true
    expect(thrownBy(() => port.checkpoint())).toMatchObject({ code: 'CANCELLED', effect: 'none', key: op.key })
    expect(port.downstreamKey('stripe', 'charge', 2)).toBe(
      downstreamKey({ key: op.key, provider: 'stripe', operation: 'charge', ordinal: 2, generation: 2 }),
    )
  })

  it('counts what goes by nothing that is watched as sent, once it may be sent', () => {
    const { attempt, time } = start()
    contextOf(attempt, time, run, undefined).checkpoint()
    expect(attempt.sends).toEqual([{ state: 'sent', isUnseen: true }])
    attempt.closed = true
    expect(thrownBy(() => portOf(attempt, time, run).beforeUnseen())).toMatchObject({ code: 'CANCELLED' })
    expect(attempt.sends).toHaveLength(1)
  })

  const unseen = { state: 'sent', isUnseen: true } as const

  it('counts a key that it gave as sent by a client, once', () => {
    const { attempt, time } = start()
    const context = contextOf(attempt, time, run, undefined)
    context.downstreamKey('stripe')
    context.downstreamKey('stripe')
    expect(attempt.sends).toEqual([unseen])
    context.downstreamKey('stripe', 'transfer')
    expect(attempt.sends).toEqual([unseen, unseen])
  })

  it.each([
    ['before it', ['key', 'leave']],
    ['after it', ['leave', 'key']],
  ])('counts one send where leave was asked for as well, %s', (_when, asked) => {
    const { attempt, time } = start()
    const context = contextOf(attempt, time, run, undefined)
    const ask = { key: () => context.downstreamKey(), leave: () => context.checkpoint() }
    for (const what of asked) ask[what as keyof typeof ask]()
    expect(attempt.sends).toEqual([unseen])
    // A second send has none of its own.
    context.checkpoint()
    expect(attempt.sends).toEqual([unseen, unseen])
  })

  it('counts no key that a write of its own carries, and none where all is watched', () => {
    const { attempt, time } = start()
    const port = portOf(attempt, time, run)
    port.carries(() => {
      throw new Error('no key was given: nobody reads the request')
    })
    port.gave('one')
    port.gave('two')
    port.carries(() => 'idempotency-key: one')
    port.carries(() => 'idempotency-key: one')
    expect(attempt.sends).toEqual([unseen])
    const checked = start({ sends: 'checked' })
    portOf(checked.attempt, checked.time, run).gave('one')
    expect(checked.attempt.sends).toEqual([])
    expect(checked.attempt.keysGiven).toEqual(new Set(['one']))
  })

  it('keeps those of `prepare` apart', () => {
    const { attempt, time } = start()
    portOf(attempt, time, run, []).opened()
    expect(attempt.sends).toEqual([])
  })
})

it.each([
  ['a checkpoint', (port: SendPort) => port.checkpoint()],
  ['a key to send under', (port: SendPort) => port.downstreamKey()],
  ['a send', (port: SendPort) => port.opened()],
])('a port is used from the first time on that it was asked for %s', (_what, ask) => {
  const { attempt, time } = start()
  const port = portOf(attempt, time, run)
  expect([port.tool, port.checked, port.used()]).toEqual(['place_order', false, false])
  ask(port)
  expect(port.used()).toBe(true)
})

describe('the context of a tool', () => {
  it('says what it is about, and cannot be changed', () => {
    const { op, attempt, time } = start()
    const context = contextOf(attempt, time, run, undefined)
    expect(context).toMatchObject({
      key: op.key,
      attempt: 1,
      run: { id: 'r', tenant: 't', session: 's' },
      signal: attempt.controller.signal,
      transaction: undefined,
    })
    expect(Object.keys(context.run ?? {})).toEqual(['id', 'tenant', 'session'])
    expect(Object.isFrozen(context)).toBe(true)
    expect(Object.isFrozen(context.run)).toBe(true)
    expect(contextOf(attempt, time, undefined, undefined).run).toBeUndefined()
    expect(context.downstreamKey('stripe', 'charge')).toBe(
      downstreamKey({ key: op.key, provider: 'stripe', operation: 'charge', generation: 2 }),
    )
    attempt.closed = true
    expect(thrownBy(() => context.checkpoint())).toMatchObject({ code: 'CANCELLED' })
  })

  it('makes its fetch once, or says that there is none', () => {
    const { attempt, time } = start()
    const ports: unknown[] = []
    const port = portOf(attempt, time, run)
    const make = (given: unknown): typeof fetch => {
      ports.push(given)
      return (async () => new Response('')) as typeof fetch
    }
    const context = contextOf(attempt, time, run, make, port)
    expect(ports).toEqual([])
    expect(context.fetch).toBe(context.fetch)
    expect(ports).toEqual([port])
    expect(thrownBy(() => contextOf(attempt, time, run, undefined).fetch)).toMatchObject({ code: 'CONTRACT_INVALID' })
    // What a request does could not be undone with the transaction.
    const transactional = contextOf(attempt, time, run, make, port, {})
    expect(thrownBy(() => transactional.fetch)).toMatchObject({ code: 'CONTRACT_INVALID' })
  })
})

describe('sleep', () => {
  it('ends in time', async () => {
    const time = virtualClock()
    let awake = false
    void sleep(time, 10).then(() => (awake = true))
    await time.advance(9)
    expect(awake).toBe(false)
    expect(time.timers()).toEqual([{ inMs: 1, background: false }])
    await time.advance(1)
    expect(awake).toBe(true)
  })

  it('ends at once when aborted, before or meanwhile, and leaves no timer', async () => {
    const time = virtualClock()
    const controller = new AbortController()
    const sleeping = sleep(time, 10, controller.signal, true)
    expect(time.timers()).toEqual([{ inMs: 10, background: true }])
    controller.abort()
    await sleeping
    await sleep(time, 10, controller.signal)
    expect(time.timers()).toEqual([])
  })

  it('leaves no listener on a signal that outlives it', async () => {
    const time = virtualClock()
    const { signal } = new AbortController()
    const sleeping = sleep(time, 10, signal)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await time.until(sleeping)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
