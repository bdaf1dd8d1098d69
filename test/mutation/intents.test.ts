import { describe, expect, it } from 'vitest'
import { createEmitter } from '../../src/engine/events.ts'
import { carryRun, orderIntent, runFrom, tellOperators, type Guard, type OrderIntent } from '../../src/engine/index.ts'
import { orderIntentKey } from '../../src/key/index.ts'
import { bench, refusalOf, unavailable } from './bench.ts'

const intent: OrderIntent = {
  merchant: 'm-1',
  user: 'u-1',
  session: 's-1',
  lines: [
    { sku: 'A', quantity: 2 },
    { sku: 'B', quantity: 1 },
  ],
}

describe('an order intent', () => {
  it('has one key, by the time at which it was first seen', async () => {
    const b = bench()
    const at = b.time.storeMs()
    const first = await b.until(orderIntent(b.guard, intent))
    expect(first).toEqual({ key: orderIntentKey({ ...intent, createdAt: at }), createdAt: at })
    await b.time.advance(5_000)
    const other = bench({ beside: b })
    const lines = [{ sku: 'B', quantity: 1 }, { sku: 'A', quantity: 1 }, { sku: 'A', quantity: 1 }] // prettier-ignore
    expect(await other.until(orderIntent(other.guard, { ...intent, lines }))).toEqual(first)
    const second = await b.until(orderIntent(b.guard, { ...intent, occurrence: 2 }))
    expect(second.key).toBe(orderIntentKey({ ...intent, occurrence: 2, createdAt: second.createdAt }))
    expect(second.createdAt).toBe(at + 5_000)
    const [record] = (await b.guard.ledger.list({ tool: 'order_intent' })).records
    expect(record).toMatchObject({ recovery: 'idempotent', state: 'committed', retentionMs: 72 * 3_600_000 })
  })

  it('of other lines has a time of its own', async () => {
    const b = bench()
    const first = await b.until(orderIntent(b.guard, intent))
    await b.time.advance(5_000)
    const other = await b.until(orderIntent(b.guard, { ...intent, lines: [{ sku: 'C', quantity: 1 }] }))
    expect(other.createdAt).toBe(first.createdAt + 5_000)
  })

  it('is found again as long as it is wanted', async () => {
    const b = bench()
    await b.until(orderIntent(b.guard, intent, { retention: '10d' }))
    const [record] = (await b.guard.ledger.list({ tool: 'order_intent' })).records
    expect(record?.retentionMs).toBe(10 * 86_400_000)
  })

  it('is done again where its end was not told: it does nothing but stand', async () => {
    const b = bench()
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw unavailable()
    }
    const first = await b.until(orderIntent(b.guard, intent))
    b.trouble.request = () => undefined
    await b.time.advance(120_000)
    expect(await b.until(orderIntent(b.guard, intent))).toEqual(first)
  })

  it('recovers by itself', async () => {
    const a = bench()
    a.fault = (point) => (point === 'answered' ? new Promise<void>(() => undefined) : undefined)
    void orderIntent(a.guard, intent).catch(() => undefined)
    await a.time.advance(10)
    a.trouble.request = () => new Promise<void>(() => undefined)
    const b = bench({ beside: a, self: 'host/boot/2/2' })
    await b.until(orderIntent(b.guard, { ...intent, occurrence: 2 }))
    await b.time.advance(120_000)
    const states = (await b.guard.ledger.list({ tool: 'order_intent' })).records.map(({ state }) => state)
    expect(states).toEqual(['committed', 'committed'])
  })

  it.each([
    [{ merchant: '' }, 'merchant is missing'],
    [{ user: 7 as never }, 'user is missing'],
    [{ session: '' }, 'session is missing'],
    [{ lines: [] }, 'it has no lines'],
    [{ lines: [{ sku: '', quantity: 1 }] }, 'a line has no SKU'],
    [{ lines: [{ sku: 5 as never, quantity: 1 }] }, 'a line has no SKU'],
    [{ lines: [{ sku: 'A', quantity: 0 }] }, 'the quantity of A is no whole number above 0'],
    [{ lines: [{ sku: 'A', quantity: 1.5 }] }, 'the quantity of A is no whole number above 0'],
  ])('refuses %j', async (change, problem) => {
    const b = bench()
    const error = await refusalOf(orderIntent(b.guard, { ...intent, ...change }))
    expect(error).toMatchObject({ code: 'INPUT_INVALID', effect: 'none' })
    expect(error.message).toBe(`This is no order intent: ${problem}. Nothing was recorded.`)
  })
})

describe('a run on its way', () => {
  const given = { id: 'r', tenant: 't', session: 's', traceparent: '00-a' }

  it('goes as headers or as _meta, and comes back', async () => {
    const b = bench()
    const [headers, meta] = await b.guard.run(given, () => [carryRun(), carryRun('meta')] as const)
    expect(headers).toEqual({ 'onefold-run': 'r', 'onefold-session': 's', 'onefold-tenant': 't', traceparent: '00-a' })
    expect(meta).toEqual({
      'io.onefold/run-id': 'r',
      'io.onefold/session-id': 's',
      'io.onefold/tenant': 't',
      traceparent: '00-a',
    })
    const { tenant: _tenant, ...untrusted } = given
    for (const carrier of [headers, meta, new Headers(headers)]) {
      expect(runFrom(carrier)).toEqual(untrusted)
      expect(runFrom(carrier, { trustTenant: true })).toEqual(given)
      expect(runFrom(carrier, { trustTenant: false })).toEqual(untrusted)
    }
  })

  it('leaves out what it does not have, and carries no id that a retry would not have', async () => {
    const b = bench()
    expect(carryRun()).toEqual({})
    expect(await b.guard.run({}, () => carryRun())).toEqual({})
    expect(await b.guard.run({ id: 'r' }, () => carryRun())).toEqual({
      'onefold-run': 'r',
      'onefold-tenant': 'default',
    })
    expect(runFrom({})).toEqual({})
    expect(runFrom(new Headers())).toEqual({})
  })

  it('takes only texts of a length that a header may have', () => {
    expect(runFrom({ 'onefold-run': '', 'onefold-session': 7 })).toEqual({})
    expect(runFrom({ 'onefold-run': 'x'.repeat(512) })).toEqual({ id: 'x'.repeat(512) })
    expect(runFrom({ 'onefold-run': 'x'.repeat(513) })).toEqual({})
    expect(runFrom({ 'onefold-run': '', 'io.onefold/run-id': 'm' })).toEqual({ id: 'm' })
  })
})

describe('what operators are told', () => {
  const listening = () => {
    const emitter = createEmitter()
    const told: string[] = []
    const stop = tellOperators({ on: emitter.on } as Guard, (line) => told.push(line))
    return { emitter, told, stop }
  }

  it('is a line for each doubt, alarm, repeat, spooled answer and change of the ledger, until it ends', async () => {
    const b = bench()
    const told: string[] = []
    const stop = tellOperators(b.guard, (line) => told.push(line))
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    const error = await refusalOf(b.until(tool({ ref: 'a' })))
    expect(told).toEqual([`place_order is in doubt (reset); onefold ledger show ${error.ticket}`])
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.filter((point) => point === 'answered').length === 2) throw unavailable()
    }
    await b.until(tool({ ref: 'b' }))
    expect(told.slice(1)).toEqual([
      'the ledger does not answer: the store is away',
      'the ledger did not take an answer of place_order; it is kept in the spool',
    ])
    b.spool.full = true
    await b.until(tool({ ref: 'b2' })).catch(() => undefined)
    b.trouble.request = () => undefined
    await b.time.advance(10_000)
    expect(told).toContain('the ledger answers again')
    await b.until(b.guard.internals.tick())
    b.trouble.answer = (verb, _args, answer) => (verb === 'epoch' ? { ...(answer as object), sequence: 0 } : undefined)
    await b.until(b.guard.internals.tick()).catch(() => undefined)
    expect(told.some((line) => line.startsWith('alarm: amnesia:'))).toBe(true)
    stop()
  })

  it('ends with every listener gone', () => {
    const { emitter, stop } = listening()
    const heard = ['doubt', 'alarm', 'suspected-repeat', 'spooled', 'store'] as const
    expect(heard.filter((name) => emitter.has(name))).toEqual(heard)
    stop()
    expect(heard.filter((name) => emitter.has(name))).toEqual([])
  })

  it('names the tool of an alarm, and the occurrence of a repeat', () => {
    const { emitter, told } = listening()
    const about = { key: '', tenant: '', tool: 'x', run: undefined }
    emitter.emit('alarm', { ...about, message: 'm' })
    emitter.emit('suspected-repeat', { ...about, occurrence: 2 })
    expect(told[0]).toBe('alarm for x: m')
    expect(told[1]).toMatch(/^x was called again .* \(occurrence 2\)/)
  })
})
