import { expect, it } from 'vitest'
import * as z from 'zod'
import { createGuard } from '../src/engine/index.ts'
import { manual, keyed, probe } from '../src/contract/index.ts'
import { memoryStore } from '../src/store/memory/index.ts'
import { systemClock, systemIds, systemProcesses } from '../src/system/index.ts'

const build = (settings = {}) => createGuard({ store: memoryStore(), allowVolatile: true, clock: systemClock(), ids: systemIds(), processes: systemProcesses(), settings })

it('runs once, replays, joins', async () => {
  const guard = build()
  let effects = 0
  const refund = guard.tool({ name: 'refund', input: z.object({ id: z.string(), why: z.string().optional(), cents: z.number() }), effect: 'write', identity: ['id'], ignore: ['why'], recovery: manual(), execute: async (input) => { effects++; await new Promise(r => setTimeout(r, 10)); return { ok: input.id, at: new Date() } } })
  const all = await Promise.all([1, 2, 3].map((n) => refund.perform({ id: 'a', why: String(n), cents: 5 })))
  expect(effects).toBe(1)
  expect(all.map((o) => o.replayed)).toEqual([false, true, true])
  const again = await refund.perform({ id: 'a', cents: 5 })
  expect(again.replayed).toBe(true)
  expect(again.value).toEqual(all[0]!.value)
  await expect(refund({ id: 'a', cents: 6 })).rejects.toMatchObject({ code: 'KEY_REUSED', details: { fields: ['cents'] } })
  await refund.perform({ id: 'a', cents: 5 }, { occurrence: 2 })
  expect(effects).toBe(2)
  const shown = await guard.ledger.show(again.key)
  expect(shown.history.map((e) => e.transition)).toEqual(["T1'", 'T5'])
  await guard.close()
})
it('doubt for manual, keyed recovers', async () => {
  const guard = build()
  let effects = 0
  const seen = new Set<string>()
  const pay = guard.tool({ name: 'pay', input: z.object({ id: z.string() }), effect: 'write', identity: ['id'], recovery: keyed('24h'), execute: async (_i, ctx) => { const k = ctx.downstreamKey(); if (!seen.has(k)) { seen.add(k); effects++; throw new Error('lost') } return 'done' } })
  expect(await pay({ id: 'x' })).toBe('done')
  expect(effects).toBe(1)
  const mail = guard.tool({ name: 'mail', input: z.object({ id: z.string() }), effect: 'write', identity: ['id'], recovery: manual(), execute: async () => { effects++; throw new Error('lost') } })
  await expect(mail({ id: 'x' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
  await expect(mail({ id: 'x' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
  expect(effects).toBe(2)
  expect((await guard.ledger.list({ states: ['in-doubt'] })).records.length).toBe(1)
  await guard.close()
})
it('probe', async () => {
  const guard = build({ quarantineMs: 20, sendGraceMs: 5, windowMarginMs: 30 })
  let effects = 0
  const b = guard.tool({ name: 'book', input: z.object({ id: z.string(), lose: z.boolean() }), effect: 'write', identity: ['id'], recovery: probe(async () => effects > 0 ? { found: true, value: 'b1' } : { found: false }, { settle: '5ms' }), execute: async (i) => { if (!i.lose && effects === 0) { effects++; } throw new Error('lost') } })
  expect(await b({ id: 'x', lose: false })).toBe('b1')
  await guard.close()
})
