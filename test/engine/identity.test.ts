import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, manual, type WriteOptions } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { STORES, temporaryFolder, testGuard } from '../support/guard.ts'
import { orderInput, orderTool, place, type Placed } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

describe.each(STORES)('on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  let guard: Guard
  let count = 0
  const open = (): Guard => testGuard({ store: makeStore(`${folder.path}/${count}`) })
  beforeEach(() => {
    count += 1
    guard = open()
  })
  afterEach(() => guard.close())
  afterAll(() => folder.remove())

  const ref = (what: string): string => `${name}-identity-${what}`

  it('fresh UUIDs and other wording on every attempt do not defeat the identity [IN-7][IN-9][BF-14]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual() })
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await order({ ref: ref('uuid'), note: `attempt ${attempt}` }, { idempotencyKey: crypto.randomUUID() })
    }
    expect(await downstream.effects(ref('uuid'))).toBe(1)
  })

  it('control: a key that the caller invents anew each time protects nothing', async () => {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await fetch(`${downstream.url}/effects/${ref('control')}`, {
        method: 'POST',
        headers: { 'idempotency-key': crypto.randomUUID() },
        body: '{}',
      })
    }
    expect(await downstream.effects(ref('control'))).toBe(2)
  })

  it('a changed field that must match is KEY_REUSED, names the field and leaks nothing [IN-7]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: ref('reused'), amount: 100 })
    const error = await order({ ref: ref('reused'), amount: 900 }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'KEY_REUSED', details: { fields: ['amount'] } })
    expect(JSON.stringify(error) + String((error as Error).message)).not.toMatch(/effect-\d|900|"100"/)
    expect(await downstream.effects(ref('reused'))).toBe(1)
  })

  it('a call without the demanded key fails fast at the boundary [IN-6]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual(), callerKey: 'required' })
    await expect(order({ ref: ref('key') })).rejects.toMatchObject({
      code: 'KEY_MISSING',
      effect: 'none',
      message: expect.stringContaining('as idempotencyKey with the call'),
    })
    await expect(order({ ref: ref('key') }, { idempotencyKey: 'a b\n' })).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(await downstream.effects(ref('key'))).toBe(0)
    await order({ ref: ref('key') }, { idempotencyKey: '"k1"' })
    await order({ ref: ref('key') }, { idempotencyKey: 'k1' })
    expect(await downstream.effects(ref('key'))).toBe(1)
    await order({ ref: ref('key') }, { idempotencyKey: 'k2' })
    expect(await downstream.effects(ref('key'))).toBe(2)
  })

  it('two wanted identical operations both happen, and each is protected [SH-9]', async () => {
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await downstream.plan(ref('twice'), '', 'lose-answer')
    const first = await order.perform({ ref: ref('twice') })
    const collapsed = await order.perform({ ref: ref('twice') })
    expect(collapsed).toMatchObject({ replayed: true, value: first.value })
    expect(collapsed.notice).toContain('occurrence 2')
    const second = await order({ ref: ref('twice') }, { occurrence: 2 })
    expect(await order({ ref: ref('twice') }, { occurrence: 2 })).toEqual(second)
    expect(second.id).not.toBe(first.value.id)
    expect(await downstream.effects(ref('twice'))).toBe(2)
  })

  it('the occurrence may be an input field [SH-9]', async () => {
    const order = guard.tool({
      name: 'place_numbered',
      input: z.object({ ref: z.string(), occurrence: z.number().int().optional() }),
      effect: 'write',
      identity: ['ref'],
      occurrenceField: 'occurrence',
      recovery: manual(),
      execute: (input, context) => place(downstream, { ref: input.ref }, context.fetch),
    })
    await order({ ref: ref('field') })
    await order({ ref: ref('field'), occurrence: 2 })
    await order({ ref: ref('field'), occurrence: 2 })
    expect(await downstream.effects(ref('field'))).toBe(2)
  })

  it('almost the same call is held: neither run nor collapsed; confirmed, it runs [IN-13]', async () => {
    const transfer = guard.tool({
      name: 'transfer',
      input: orderInput,
      effect: 'write',
      identity: ['ref', 'note'],
      near: { fields: ['ref', 'amount'], within: '5m', then: 'hold' },
      recovery: manual(),
      execute: (input, context) => place(downstream, input, context.fetch),
    })
    await transfer({ ref: ref('near'), amount: 5, note: 'rent' })
    const held = await transfer({ ref: ref('near'), amount: 5, note: 'the rent' }).catch((error: unknown) => error)
    expect(held).toMatchObject({ code: 'HELD', effect: 'none' })
    await transfer({ ref: ref('near'), amount: 5, note: 'rent' })
    await transfer({ ref: ref('near'), amount: 6, note: 'deposit' })
    expect(await downstream.effects(ref('near'))).toBe(2)
    await transfer({ ref: ref('near'), amount: 5, note: 'the rent' }, { confirm: (held as { ticket: string }).ticket })
    expect(await downstream.effects(ref('near'))).toBe(3)
  })

  it('sub-agents of one session share identities; other sessions do not [OR-4][SH-2]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual(), scope: 'session' })
    const call = (session: string) => guard.run({ session }, async () => await order({ ref: ref('session') }))
    const [a, b] = await Promise.all([call('s1'), call('s1')])
    expect(a).toEqual(b)
    expect(await downstream.effects(ref('session'))).toBe(1)
    await call('s2')
    expect(await downstream.effects(ref('session'))).toBe(2)
    await expect(order({ ref: ref('session') })).rejects.toMatchObject({ code: 'CONTRACT_INVALID', effect: 'none' })
  })

  it('tenants never meet [AG-3]', async () => {
    const order = orderTool(guard, downstream, { recovery: manual() })
    const first = await guard.run({ tenant: 'a' }, () => order.perform({ ref: ref('tenant') }))
    const second = await guard.run({ tenant: 'b' }, () => order.perform({ ref: ref('tenant') }))
    expect(second.key).not.toBe(first.key)
    expect(await downstream.effects(ref('tenant'))).toBe(2)
    await expect(guard.ledger.show(first.key, 'b')).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })

  it('a new major meets an open operation of the old one and fails closed [IN-11]', async () => {
    const version = (major: number, extra: Partial<WriteOptions<typeof orderInput, Placed>> = {}) =>
      orderTool(guard, downstream, { recovery: manual(), version: major, ...extra })
    await downstream.plan(ref('major'), 'lose-answer')
    await expect(version(1)({ ref: ref('major') })).rejects.toMatchObject({ code: 'IN_DOUBT' })
    await version(1)({ ref: ref('major-done') })
    await guard.close()
    guard = open()
    if (name === 'memory') return
    const next = version(2)
    await expect(next({ ref: ref('major') })).rejects.toMatchObject({ code: 'CONTRACT_SUPERSEDED', effect: 'unknown' })
    await expect(next({ ref: ref('major-done') })).rejects.toMatchObject({
      code: 'CONTRACT_SUPERSEDED',
      effect: 'done',
    })
    await guard.close()
    guard = open()
    await version(2, { replaysFrom: [1] })({ ref: ref('major-done') })
    expect([await downstream.effects(ref('major')), await downstream.effects(ref('major-done'))]).toEqual([1, 1])
  })

  it('a changed identity still meets the record of the old one [IN-11]', async () => {
    if (name === 'memory') return
    await orderTool(guard, downstream, { recovery: manual() })({ ref: ref('moved'), amount: 1 })
    await guard.close()
    guard = open()
    const regrouped = orderTool(guard, downstream, {
      recovery: manual(),
      version: 2,
      identity: ['ref', 'amount'],
      replaysFrom: [1],
      supersedes: [{ version: 1, identity: (input) => ({ ref: input.ref }) }],
    })
    expect((await regrouped.perform({ ref: ref('moved'), amount: 1 })).replayed).toBe(true)
    expect(await downstream.effects(ref('moved'))).toBe(1)
  })

  it('a changed scope still meets the record of the old one, wherever the call is in that scope [IN-11]', async () => {
    if (name === 'memory') return
    const first = orderTool(guard, downstream, { recovery: manual(), scope: 'run' })
    await guard.run({ id: 'request' }, async () => await first({ ref: ref('scope'), amount: 1 }))
    await guard.close()
    guard = open()
    const widened = orderTool(guard, downstream, {
      recovery: manual(),
      version: 2,
      replaysFrom: [1],
      supersedes: [{ version: 1, identity: ['ref'], scope: 'run' }],
    })
    await guard.run({ id: 'request' }, async () => {
      expect((await widened.perform({ ref: ref('scope'), amount: 1 })).replayed).toBe(true)
    })
    expect(await downstream.effects(ref('scope'))).toBe(1)
    // In no run it is no retry of what was done in one.
    expect((await widened.perform({ ref: ref('no-run'), amount: 1 })).replayed).toBe(false)
  })

  it('a rotated secret still meets the records made under the old one', async () => {
    if (name === 'memory') return
    const store = () => makeStore(`${folder.path}/rotated-${count}`)
    await guard.close()
    guard = testGuard({ store: store(), keySecret: 'old' })
    await orderTool(guard, downstream, { recovery: manual() })({ ref: ref('rotated') })
    await guard.close()
    guard = testGuard({ store: store(), keySecret: 'new', previousSecrets: ['old'] })
    const replay = await orderTool(guard, downstream, { recovery: manual() }).perform({ ref: ref('rotated') })
    expect(replay.replayed).toBe(true)
    expect(await downstream.effects(ref('rotated'))).toBe(1)
  })

  it('every contract is exported as JSON [BF-11]', async () => {
    orderTool(guard, downstream, { recovery: keyed('24h'), retention: '7d' })
    const [contract] = JSON.parse(JSON.stringify(guard.contracts())) as Record<string, unknown>[]
    expect(contract).toMatchObject({
      name: 'place_order',
      version: 1,
      effect: 'write',
      identity: ['ref'],
      ignore: ['note'],
      scope: 'tenant',
      retentionMs: 7 * 86_400_000,
      recovery: { class: 'keyed', windowMs: 86_400_000 },
    })
  })
})
