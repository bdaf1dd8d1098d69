import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { anySchema, manual } from '../../src/contract/index.ts'
import { ticketOf, type Guard, type Settings } from '../../src/engine/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { STORES, temporaryFolder, testGuard } from '../support/guard.ts'
import { orderTool } from '../support/order-tool.ts'

let downstream: Downstream
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

/** The downstream's own list: every effect, with the key that it was given. */
const listOf = async (prefix: string): Promise<readonly Record<string, unknown>[]> =>
  (await downstream.query(`SELECT n AS id, ref, key FROM effects WHERE ref LIKE '${prefix}%' ORDER BY n`)).map(
    ({ key, ...row }) => ({ ...row, metadata: { idempotency_key: key } }),
  )

/** Five operations, and what else happens to a service: repeats, strangers, losses. */
async function history(guard: Guard, prefix: string): Promise<Readonly<Record<string, string>>> {
  const ref = (name: string): string => `${prefix}-${name}`
  const order = orderTool(guard, downstream, { recovery: manual(), errors: [{ match: 422, effect: 'none' }] })
  const keys: Record<string, string> = {}
  const call = async (name: string): Promise<void> => {
    const outcome = await order.perform({ ref: ref(name) }, { onDoubt: 'return' }).catch((error: unknown) => error)
    keys[name] = (outcome as { key: string }).key
  }
  await call('fine')
  await downstream.plan(ref('lost-answer'), 'lose-answer')
  await call('lost-answer')
  await downstream.plan(ref('lost-request'), 'lose-request')
  await call('lost-request')
  await call('vanished')
  await downstream.query(`DELETE FROM effects WHERE ref = '${ref('vanished')}'`)
  await downstream.plan(ref('refused'), 'refuse')
  await call('refused')
  const [refused] = await downstream.requests(ref('refused'))
  await call('repeated')
  const [repeated] = await downstream.requests(ref('repeated'))
  // Behind our back: the service acts although it refused, repeats one of its own, and takes orders of others.
  await downstream.honoursKeys(false)
  const post = (name: string, key: string): Promise<unknown> =>
    fetch(`${downstream.url}/effects/${ref(name)}`, { method: 'POST', body: '{}', headers: { 'idempotency-key': key } })
  await post('refused', refused?.['idempotency-key'] ?? '')
  await post('repeated', repeated?.['idempotency-key'] ?? '')
  await post('stranger', `stranger-${prefix}`)
  await downstream.honoursKeys(true)
  return keys
}

describe.each(STORES)('reconciliation on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  let guard: Guard
  beforeEach(() => {
    guard = testGuard({ store: makeStore(join(folder.path, String(Math.random()))) })
  })
  afterEach(() => guard.close())
  afterAll(() => folder.remove())

  it('[IN-16] lists every difference between the ledger and the downstream’s own list', async () => {
    const keys = await history(guard, `rec-${name}`)
    const request = ({ input }: { input: unknown }) => `POST /effects/${(input as { ref: string }).ref}`
    const found = await guard.ledger.reconcile(await listOf(`rec-${name}`), { tool: 'place_order', request })
    const named = (entries: readonly { readonly key: string }[]): readonly string[] =>
      entries.map(({ key }) => Object.keys(keys).find((one) => keys[one] === key) ?? key)
    expect(found.agreed).toBe(1)
    expect(named(found.doubtsThatHappened)).toEqual(['lost-answer'])
    expect(named(found.doubtsNotListed)).toEqual(['lost-request'])
    expect(named(found.missing)).toEqual(['vanished'])
    expect(named(found.unrecorded)).toEqual(['refused'])
    expect(named(found.repeated)).toEqual(['repeated'])
    expect(found.repeated[0]?.times).toBe(2)
    expect(found.unknown).toEqual([{ name: `stranger-rec-${name}`, times: 1 }])
    expect(found.unnamed).toBe(0)
  })

  it('finds a key that the tool itself sent, in any provider’s form', async () => {
    const keys: string[] = []
    const order = orderTool(guard, downstream, {
      recovery: manual(),
      execute: ({ ref }, context) => {
        keys.push(context.downstreamKey(), context.downstreamKey('stripe'))
        return { id: ref, ref }
      },
    })
    await order({ ref: 'own-key' })
    for (const key of keys) {
      const found = await guard.ledger.reconcile([{ key }], { tool: 'place_order' })
      expect([found.agreed, found.missing, found.unknown]).toEqual([1, [], []])
    }
  })

  it('compares by what the application says, within times, and one tool at a time', async () => {
    await history(guard, `by-${name}`)
    const items = await listOf(`by-${name}`)
    const byRef = {
      tool: 'place_order',
      item: (item: unknown) => (item as { ref: string }).ref,
      operation: ({ input }: { input: unknown }) => [(input as { ref: string }).ref],
    }
    const found = await guard.ledger.reconcile(items, byRef)
    expect(found.missing.map(({ state }) => state)).toEqual(['committed'])
    expect(found.agreed).toBe(1)
    expect(found.unknown).toEqual([{ name: `by-${name}-stranger`, times: 1 }])
    const later = await guard.ledger.reconcile(items, { ...byRef, since: (found.missing[0]?.at ?? 0) + 86_400_000 })
    expect([later.agreed, later.missing, later.unknown.length]).toEqual([0, [], 1])
    const other = await guard.ledger.reconcile(items, { tool: 'other_tool' })
    expect([other.agreed, other.missing, other.unknown.length]).toEqual([0, [], 5])
    expect(await guard.ledger.reconcile([{}, 7, null], { tool: 'other_tool' })).toMatchObject({ unnamed: 3 })
    await expect(
      guard.ledger.reconcile(items, { tool: 'x', signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop')
  })
})

describe('reconciliation by a name that operations share', () => {
  it('shares the items out: wanted repeats, corrected attempts and lost ones are told apart', async () => {
    const guard = testGuard()
    const pay = guard.tool({
      name: 'pay',
      input: anySchema,
      effect: 'write',
      identity: ['cart', 'cents'],
      recovery: manual(),
      errors: [{ match: 'refused', effect: 'none' }],
      execute: ({ plan }: { plan: string }) => {
        if (plan !== 'fine') throw Object.assign(new Error(plan), { code: plan })
        return { done: true }
      },
    } as never) as unknown as (input: object, options?: object) => Promise<unknown>
    const paid = async (cart: string, cents: number, plan = 'fine', occurrence = 1): Promise<void> => {
      await pay({ cart, cents, plan }, { occurrence }).catch(() => undefined)
    }
    await paid('twice-wanted', 1)
    await paid('twice-wanted', 1, 'fine', 2)
    await paid('corrected', 1, 'refused')
    await paid('corrected', 2)
    await paid('one-lost', 1)
    await paid('one-lost', 2)
    await paid('doubted', 1)
    await paid('doubted', 2, 'broken')
    await paid('thrice', 1)
    await paid('thrice', 2)
    const list = 'twice-wanted twice-wanted corrected one-lost doubted thrice thrice thrice'.split(' ')
    const found = await guard.ledger.reconcile(list, {
      tool: 'pay',
      operation: ({ input }) => [(input as { cart: string }).cart],
    })
    expect(found).toMatchObject({ agreed: 6, unrecorded: [], doubtsThatHappened: [], unknown: [] })
    expect(found.missing).toHaveLength(1)
    expect(found.doubtsNotListed).toHaveLength(1)
    expect(found.repeated).toMatchObject([{ name: 'thrice', times: 3 }])
    const both = await guard.ledger.reconcile([...list, 'doubted'], {
      tool: 'pay',
      operation: ({ input }) => [(input as { cart: string }).cart],
    })
    expect(both).toMatchObject({ agreed: 6, doubtsThatHappened: [{ name: 'doubted' }], doubtsNotListed: [] })
    await guard.close()
  })
})

describe.each(STORES)('purge on %s', (name, makeStore) => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  it('erases what is past its retention, forgets what never happened, and keeps every doubt', async () => {
    const path = join(folder.path, 'purged')
    const settings: Partial<Settings> = { sweepMs: 3_600_000 }
    const guard = testGuard({ store: makeStore(path), settings })
    const short = { retention: '1ms', retryHorizon: '1ms' } as const
    const quick = orderTool(guard, downstream, {
      recovery: manual(),
      errors: [{ match: 422, effect: 'none' }],
      ...short,
    })
    const ref = (what: string): string => `purge-${name}-${what}`
    await downstream.plan(ref('doubt'), 'lose-answer')
    await downstream.plan(ref('refused'), 'refuse')
    const done = await quick.perform({ ref: ref('done') })
    const doubt = await quick.perform({ ref: ref('doubt') }, { onDoubt: 'return' })
    await quick({ ref: ref('refused') }).catch(() => undefined)
    // The store's clock has to have gone on by a millisecond.
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await guard.ledger.purge({ dryRun: true })).toEqual({ expired: 1, deleted: 1, kept: 0 })
    expect((await guard.ledger.show(done.key)).record.state).toBe('committed')
    expect(await guard.ledger.purge()).toEqual({ expired: 1, deleted: 1, kept: 0 })
    expect((await guard.ledger.show(done.key)).record).toMatchObject({ state: 'expired', input: undefined })
    expect((await guard.ledger.show(doubt.key)).record.state).toBe('in-doubt')
    await expect(quick({ ref: ref('done') })).rejects.toMatchObject({ code: 'RESULT_EXPIRED', effect: 'done' })
    expect(await downstream.effects(ref('done'))).toBe(1)
    await guard.close()
  })

  it('keeps what somebody may still ask for again, and other tenants’', async () => {
    const guard = testGuard({ store: makeStore(join(folder.path, 'kept')), settings: { sweepMs: 3_600_000 } })
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: `kept-${name}` })
    await guard.run({ id: 'r', tenant: 'other' }, () => order({ ref: `kept-${name}-other` }))
    expect(await guard.ledger.purge()).toEqual({ expired: 0, deleted: 0, kept: 1 })
    expect(await guard.internals.operators.purge()).toEqual({ expired: 0, deleted: 0, kept: 2 })
    await guard.close()
  })
})

describe('purge of a file', () => {
  it('leaves nothing of what it erased among its bytes', async () => {
    const folder = temporaryFolder()
    const path = join(folder.path, 'ledger.db')
    const guard = testGuard({ store: sqliteStore(path), settings: { sweepMs: 3_600_000 } })
    const order = guard.tool({
      name: 'order',
      input: anySchema,
      effect: 'write',
      identity: ['ref'],
      recovery: manual(),
      retention: '1ms',
      retryHorizon: '1ms',
      execute: () => ({ token: 'PRIVATE-ANSWER' }),
    } as never) as unknown as (input: object) => Promise<unknown>
    for (const letters of [10, 20_000])
      await order({ ref: `${letters}`, note: `PRIVATE-INPUT${'x'.repeat(letters)}PRIVATE-END` })
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await guard.ledger.purge()).toMatchObject({ expired: 2 })
    await guard.close()
    const bytes = ['', '-wal'].flatMap((end) => (existsSync(path + end) ? [readFileSync(path + end, 'latin1')] : []))
    expect(bytes.join('')).toContain('order')
    expect(bytes.join('').match(/PRIVATE-[A-Z]+/g)).toBeNull()
    folder.remove()
  })
})

describe('onefold ledger reconcile, purge and export', { timeout: 60_000 }, () => {
  const folder = temporaryFolder()
  const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
  const store = `sqlite:${join(folder.path, 'ledger.db')}`
  const BY_REQUEST = ['--request', 'POST /effects/{input.ref}']
  let keys: Readonly<Record<string, string>>
  beforeAll(async () => {
    const guard = testGuard({ store: sqliteStore(join(folder.path, 'ledger.db')) })
    keys = await history(guard, 'cli')
    await guard.close()
    writeFileSync(join(folder.path, 'list.json'), JSON.stringify({ data: await listOf('cli') }))
  })
  afterAll(() => folder.remove())

  const onefold = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [bin, 'ledger', ...args, '--store', store], {
      cwd: folder.path,
      encoding: 'utf8',
      timeout: 50_000,
      input: '',
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', HOME: folder.path },
    })

  it('[IN-16] compares with a file or with what a command prints; exit 1 where they differ', () => {
    const ran = onefold('reconcile', '--json', '--tool', 'place_order', '--list', 'list.json', ...BY_REQUEST)
    expect(ran.status).toBe(1)
    expect(JSON.parse(ran.stdout)).toMatchObject({
      differences: 6,
      agreed: 1,
      items: 6,
      missing: [{ key: keys['vanished'] }],
    })
    const told = spawnSync(
      process.execPath,
      [bin, 'ledger', 'reconcile', '--tool', 'place_order', '--store', store, ...BY_REQUEST, '--', 'cat', 'list.json'],
      { cwd: folder.path, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' } },
    )
    expect(told.stdout).toContain('In doubt, and the downstream has it: it happened (1)')
    expect(told.stdout).toContain(`onefold ledger resolve ${ticketOf(keys['lost-answer'] ?? '')} --done`)
    const byRef = ['--operation-key', 'input.ref', '--item-key', 'ref'] as const
    const same = onefold('reconcile', '--json', '--tool', 'place_order', '--list', 'list.json', ...byRef)
    expect(JSON.parse(same.stdout)).toMatchObject({ differences: 6, agreed: 1 })
  })

  it('refuses half a list and wrong flags, and changes nothing', () => {
    writeFileSync(join(folder.path, 'broken.jsonl'), '{"key":"a"}\n{"key":\n')
    for (const [args, said] of [
      [['--list', 'broken.jsonl'], 'Line 2 of broken.jsonl is not JSON'],
      [['--list', 'nowhere.json'], 'nowhere.json cannot be read'],
      [[], 'Give the downstream’s list'],
      [['--list', 'list.json', '--since', 'yesterday'], '--since cannot be yesterday'],
      [['--list', 'list.json', '--operation-key', 'output.id'], '--operation-key cannot be output.id'],
      [['--list', 'list.json', '--operation-key', 'input.reff'], '--operation-key input.reff is in none of'],
      [
        ['--list', 'list.json', '--tool', 'place_ordr'],
        'No operation of place_ordr is recorded here. Did you mean place_order?',
      ],
      [['--list', 'list.json', '--tool', 'mail'], 'No operation of mail is recorded here. Recorded are: place_order.'],
    ] as const) {
      const ran = onefold('reconcile', '--tool', 'place_order', ...args)
      expect([ran.status, ran.stderr]).toEqual([2, expect.stringContaining(said)])
    }
    const failing = spawnSync(
      process.execPath,
      [bin, 'ledger', 'reconcile', '--tool', 'x', '--store', store, '--', 'sh', '-c', 'echo []; exit 3'],
      { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
    )
    expect([failing.status, failing.stderr]).toEqual([2, expect.stringContaining('its list may not be whole')])
  })

  it('refuses a list that shows that it is not the whole, or none', () => {
    const key = keys['fine'] ?? ''
    for (const [list, said] of [
      ['', 'A list of nothing is []'],
      [`{"data":[{"key":"${key}"}],"has_more":true}`, 'its has_more says that there is more'],
      [`[{"key":"${key}"}]\n{"items":[],"next_cursor":"c2"}`, 'its next_cursor says that there is more'],
      ['{"error":"unauthorized"}', 'None of the 1 items'],
      ['[{"id":1},{"id":2}]', 'None of the 2 items'],
    ] as const) {
      writeFileSync(join(folder.path, 'odd.json'), list)
      const ran = onefold('reconcile', '--tool', 'place_order', '--list', 'odd.json')
      expect([ran.status, ran.stderr]).toEqual([2, expect.stringContaining(said)])
    }
    writeFileSync(join(folder.path, 'part.json'), `{"data":[{"key":"${key}"}],"has_more":true}`)
    const part = ['--tool', 'place_order', '--list', 'part.json', '--since', '2020-01-01', '--json']
    expect(JSON.parse(onefold('reconcile', ...part).stdout)).toMatchObject({ items: 1, agreed: 1 })
  })

  it('takes an order that has items for an order, pages a line, and numbers as they are written', () => {
    const read = (list: string, ...flags: readonly string[]): { items: number; unknown: unknown } => {
      writeFileSync(join(folder.path, 'odd.json'), list)
      return JSON.parse(
        onefold('reconcile', '--json', '--tool', 'place_order', '--list', 'odd.json', ...flags).stdout,
      ) as never
    }
    expect(read('{"key":"a","items":[{"sku":"tent"},{"sku":"lamp"}]}')).toMatchObject({
      items: 1,
      unknown: [{ name: 'a' }],
    })
    expect(read('{"data":[{"key":"a"}],"has_more":true}\r\n{"data":[{"key":"b"}],"has_more":false}\r\n').items).toBe(2)
    const numbers = read('[{"id":9007199254740993},{"id":9007199254740992}]', '--item-key', 'id')
    expect(numbers.unknown).toEqual([
      { name: '9007199254740993', times: 1 },
      { name: '9007199254740992', times: 1 },
    ])
  })

  it('purge wants a person’s word, and keeps what is not over', () => {
    const unasked = onefold('purge')
    expect([unasked.status, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')])
    const ran = onefold('purge', '--yes', '--json')
    expect(JSON.parse(ran.stdout)).toMatchObject({ dryRun: false, expired: 0, deleted: 0, kept: 4 })
    expect(onefold('purge', '--dry-run').stdout).toContain('4 closed ones are kept')
  })

  it('export is one JSON value a line, with its history, and without private things', () => {
    const ran = onefold('export', '--json', '--tool', 'place_order')
    const lines = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { key: string; history: unknown[]; input: unknown })
    expect(new Set(lines.map(({ key }) => key))).toEqual(new Set(Object.values(keys)))
    expect(lines.every(({ history }) => history.length > 0)).toBe(true)
    expect(lines[0]?.input).toEqual({ ref: '…' })
  })
})
