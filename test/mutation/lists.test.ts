import { describe, expect, it } from 'vitest'
import { downstreamKey } from '../../src/key/index.ts'
import { bench, refusalOf, type Bench, type OrderInput } from './bench.ts'

const DAY = 86_400_000

/** One operation in every state that a comparison tells apart; the key by reference. */
async function story(b: Bench) {
  const tool = b.tool()
  const other = b.tool({ name: 'refund' })
  for (const [ref, fault] of [
    ['done', 'ok'],
    ['vanished', 'ok'],
    ['twice', 'ok'],
    ['lost-answer', 'lose-answer'],
    ['lost-request', 'lose-request'],
    ['refused', 'refuse'],
    ['refused-there', 'refuse'],
  ] as const) {
    b.downstream.plan(ref, fault)
    await b.until(tool({ ref })).catch(() => undefined)
  }
  await b.until(other({ ref: 'done' }))
  b.downstream.plan('running', 'hold')
  void tool({ ref: 'running' }).catch(() => undefined)
  await b.time.advance(10)
  return { tool, keyOf: (ref: string) => b.guard.internals.name(tool.contract, { ref }).key }
}

describe('reconciliation', () => {
  it('lists every difference, and nothing that runs', async () => {
    const b = bench()
    const { keyOf } = await story(b)
    const listed = ['done', 'twice', 'twice', 'lost-answer', 'refused-there'].map((ref) => ({ key: keyOf(ref) }))
    const looked: number[] = []
    const found = await b.guard.ledger.reconcile([...listed, { key: 'stranger' }, { key: 'stranger' }, 7, null, {}, { metadata: 3 }], {
      tool: 'place_order',
      progress: (count) => looked.push(count),
    }) // prettier-ignore
    const entry = (ref: string, state: string) => ({
      key: keyOf(ref),
      ticket: keyOf(ref).slice(4, 16),
      tenant: 'default',
      tool: 'place_order',
      state,
      at: b.recordOf(keyOf(ref))?.createdAt,
    })
    expect(found).toEqual({
      agreed: 1,
      missing: [entry('vanished', 'committed')],
      unrecorded: [{ ...entry('refused-there', 'rejected'), name: keyOf('refused-there') }],
      repeated: [{ ...entry('twice', 'committed'), name: keyOf('twice'), times: 2 }],
      doubtsThatHappened: [{ ...entry('lost-answer', 'in-doubt'), name: keyOf('lost-answer') }],
      doubtsNotListed: [entry('lost-request', 'in-doubt')],
      unknown: [{ name: 'stranger', times: 2 }],
      unnamed: 4,
      nameless: 0,
    })
    expect(looked).toEqual([8])
  })

  it('knows an item by text, by any of its usual fields, and by those of its metadata', async () => {
    const b = bench()
    const tool = b.tool()
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    const names = ['idempotency_key', 'idempotencyKey', 'idempotency-key', 'key']
    const items = [key, ...names.map((name) => ({ [name]: key })), ...names.map((name) => ({ [name]: 5, metadata: { [name]: key } }))] // prettier-ignore
    for (const item of items) {
      const found = await b.guard.ledger.reconcile([item], { tool: 'place_order' })
      expect([found.agreed, found.unnamed, found.missing]).toEqual([1, 0, []])
    }
  })

  it('knows a key that was made for a provider, for a request, and for a generation', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'refuse')
    await refusalOf(b.until(tool({ ref: 'a' })))
    const { key, record } = await b.until(tool.perform({ ref: 'a' }))
    expect(record?.generation).toBe(1)
    const request = 'POST /orders'
    for (const generation of [0, 1])
      for (const provider of [undefined, 'stripe', 'square'])
        for (const operation of ['', request]) {
          const name = downstreamKey({ key, provider, operation, generation })
          const options = { tool: 'place_order', ...(operation === '' ? {} : { request: () => operation }) }
          expect((await b.guard.ledger.reconcile([name], options)).agreed).toBe(1)
        }
    const found = await b.guard.ledger.reconcile([downstreamKey({ key, generation: 2 })], { tool: 'place_order' })
    expect(found.unknown).toHaveLength(1)
    const ticket = key.slice(4, 16)
    expect((await b.guard.ledger.reconcile([ticket], { tool: 'place_order', request: () => undefined })).agreed).toBe(1)
  })

  it('compares by what the application says, which is told input and result', async () => {
    const b = bench({ settings: { inlineResultBytes: 10 } })
    const { tool } = await story(b)
    const seen: unknown[] = []
    await b.guard.ledger.reconcile([], {
      tool: 'place_order',
      operation: ({ record, input, result }) => {
        seen.push([record.state, (input as OrderInput).ref, result])
        return [undefined]
      },
    })
    expect(seen).toContainEqual(['committed', 'done', { id: 1, ref: 'done' }])
    expect(seen).toContainEqual(['in-doubt', 'lost-answer', undefined])
    b.trouble.answer = (verb) => (verb === 'getBlob' ? Uint8Array.of(1) : undefined)
    const item = (one: unknown) => (one as { ref?: string }).ref
    const found = await b.guard.ledger.reconcile([{ ref: 'done' }, {}], {
      tool: 'place_order',
      item,
      operation: ({ input, result }) => [result === undefined ? (input as OrderInput).ref : 'kept'],
    })
    expect([found.agreed, found.unnamed, found.unknown]).toEqual([1, 1, []])
    expect(tool.contract.name).toBe('place_order')
  })

  it('looks at the times that it is asked for, and marks what is outside as known', async () => {
    const b = bench()
    const tool = b.tool()
    const first = await b.until(tool.perform({ ref: 'a' }))
    await b.time.advance(1_000)
    const second = await b.until(tool.perform({ ref: 'b' }))
    const at = second.record?.createdAt ?? 0
    const missing = async (times: object) =>
      (await b.guard.ledger.reconcile([], { tool: 'place_order', ...times })).missing.map(({ key }) => key)
    expect(await missing({})).toEqual([first.key, second.key])
    expect(await missing({ since: at })).toEqual([second.key])
    expect(await missing({ since: at + 1 })).toEqual([])
    expect(await missing({ until: at })).toEqual([first.key])
    expect(await missing({ until: at + 1 })).toEqual([first.key, second.key])
    const found = await b.guard.ledger.reconcile([first.key, 'x'], { tool: 'place_order', since: at })
    expect(found.unknown).toEqual([{ name: 'x', times: 1 }])
  })

  it('takes a stream of items, many pages, and no for an answer', async () => {
    const b = bench()
    const tool = b.tool()
    for (let n = 0; n < 130; n += 1) await b.until(tool({ ref: `r${n}` }))
    async function* items(): AsyncIterable<unknown> {
      for (let n = 0; n < 130; n += 1) yield b.guard.internals.name(tool.contract, { ref: `r${n}` }).key
    }
    const looked: number[] = []
    const progress = (count: number): void => void looked.push(count)
    expect((await b.guard.ledger.reconcile(items(), { tool: 'place_order', progress })).agreed).toBe(130)
    expect(looked).toEqual([100, 130])
    const controller = new AbortController()
    const stopped = { tool: 'place_order', signal: controller.signal }
    const late = b.guard.ledger.reconcile([], { ...stopped, progress: () => controller.abort(new Error('enough')) })
    await expect(late).rejects.toThrow('enough')
    await expect(b.guard.ledger.reconcile(['x'], stopped)).rejects.toThrow('enough')
  })

  it('knows an input no more after retention, and what cannot be read', async () => {
    const b = bench()
    const tool = b.tool()
    const { key } = await b.until(tool.perform({ ref: 'a' }))
    b.time.pause(400 * DAY)
    await b.until(b.guard.ledger.purge())
    expect(b.recordOf(key)?.state).toBe('expired')
    const seen: unknown[] = []
    const options = {
      tool: 'place_order',
      operation: ({ input, result }: { input: unknown; result: unknown }) => {
        seen.push([input, result])
        return [key]
      },
    }
    expect((await b.guard.ledger.reconcile([key], options)).agreed).toBe(1)
    expect(seen).toEqual([[undefined, undefined]])
    await b.until(tool.perform({ ref: 'b' }))
    b.trouble.answer = (verb, _args, answer) =>
      verb === 'list'
        ? { ...(answer as object), records: (answer as { records: object[] }).records.map((record) => ({ ...record, input: '{' })) }
        : undefined // prettier-ignore
    await b.guard.ledger.reconcile([], options)
    expect(seen.slice(1).map((pair) => (pair as unknown[])[0])).toEqual([undefined, undefined])
  })
})

describe('a purge', () => {
  /** Something done, refused, in doubt and running, all of it long ago. */
  async function old(b: Bench, tenant?: string) {
    const tool = b.tool()
    const call = (ref: string) =>
      b
        .until(tenant === undefined ? tool({ ref }) : b.guard.run({ tenant }, () => tool({ ref })))
        .catch(() => undefined)
    for (const [ref, fault] of [
      ['done', 'ok'],
      ['refused', 'refuse'],
      ['doubt', 'lose-answer'],
    ] as const) {
      // prettier-ignore
      b.downstream.plan(ref, fault)
      await call(ref)
    }
    return tool
  }

  it('erases what is done, forgets what was not, and keeps what is open or young', async () => {
    const b = bench()
    const tool = await old(b)
    b.time.pause(400 * DAY)
    await b.until(tool({ ref: 'young' }))
    const looked: number[] = []
    const progress = (count: number): void => void looked.push(count)
    const counted = { expired: 1, deleted: 1, kept: 1 }
    expect(await b.until(b.guard.ledger.purge({ dryRun: true, progress }))).toEqual(counted)
    expect(b.record(tool, { ref: 'done' })?.state).toBe('committed')
    expect(await b.until(b.guard.ledger.purge())).toEqual(counted)
    expect(b.record(tool, { ref: 'done' })).toMatchObject({ state: 'expired', outcome: undefined, input: undefined })
    expect(b.record(tool, { ref: 'refused' })).toBeUndefined()
    expect(b.record(tool, { ref: 'doubt' })?.state).toBe('in-doubt')
    expect(await b.until(b.guard.ledger.purge({ dryRun: false, progress }))).toEqual({
      expired: 0,
      deleted: 0,
      kept: 1,
    })
    expect(looked).toEqual([3, 2])
    expect(b.downstream.effects('done')).toBe(1)
  })

  it('is of one tenant, or of all for operators', async () => {
    const b = bench()
    await old(b)
    await old(b, 'other')
    b.time.pause(400 * DAY)
    expect(await b.until(b.guard.ledger.purge({ dryRun: true }))).toEqual({ expired: 1, deleted: 1, kept: 0 })
    expect(await b.until(b.guard.internals.operators.purge())).toEqual({ expired: 2, deleted: 2, kept: 0 })
  })

  it('erases what was undone or given up like what is done', async () => {
    const b = bench()
    const tool = b.tool({ compensate: () => undefined })
    await b.until(tool({ ref: 'undone' }))
    await b.until(tool.compensate({ ref: 'undone' }))
    b.downstream.plan('given-up', 'lose-answer')
    const { key } = await refusalOf(b.until(tool({ ref: 'given-up' })))
    await b.guard.ledger.resolve(key ?? '', { verdict: 'abandoned', who: 'me', note: 'n' })
    const states = async () => (await b.guard.ledger.list()).records.map(({ state }) => state).sort()
    expect(await states()).toEqual(['abandoned', 'committed', 'compensated'])
    b.time.pause(400 * DAY)
    expect(await b.until(b.guard.ledger.purge())).toEqual({ expired: 3, deleted: 0, kept: 0 })
    expect(await states()).toEqual(['expired', 'expired', 'expired'])
  })

  it('goes through every page, and stops when it is told to, also within one', async () => {
    const b = bench()
    const tool = b.tool()
    for (let n = 0; n < 5; n += 1) await b.until(tool({ ref: `r${n}` }))
    b.time.pause(400 * DAY)
    const { records } = await b.inner.closed(10, undefined)
    const asked: unknown[] = []
    b.trouble.answer = (verb, args) => {
      if (verb !== 'closed') return undefined
      asked.push(args)
      const now = b.time.storeMs()
      return args[1] === 'more'
        ? { records: records.slice(3), now }
        : { records: records.slice(0, 3), next: 'more', now }
    }
    const looked: number[] = []
    const all = { dryRun: true, progress: (n: number) => void looked.push(n) }
    expect(await b.until(b.guard.ledger.purge(all))).toEqual({ expired: 5, deleted: 0, kept: 0 })
    expect(asked.splice(0)).toEqual([
      [500, undefined],
      [500, 'more'],
    ])
    expect(looked).toEqual([3, 5])
    const controller = new AbortController()
    const { signal } = controller
    const stopped = { dryRun: true, signal, progress: () => controller.abort(new Error('enough')) }
    await expect(b.until(b.guard.ledger.purge(stopped))).rejects.toThrow('enough')
    expect(asked).toHaveLength(1)
    const between = new AbortController()
    let writes = 0
    b.trouble.request = (verb) => {
      if (verb === 'write' && (writes += 1) === 2) between.abort(new Error('enough'))
    }
    await expect(b.until(b.guard.ledger.purge({ signal: between.signal }))).rejects.toThrow('enough')
    expect(writes).toBe(2)
  })
})
