import { describe, expect, it } from 'vitest'
import { NOW, recordIn } from '../../test/explore/machine-fixture.ts'
import { downstreamKey, KEY_SHAPES, operationKey } from '../key/index.ts'
import type { Journal } from './journal.ts'
import { reconcileWith, type ReconcileOptions, type Reconciliation } from './reconcile.ts'
import type { OperationRecord, State } from './record.ts'
import type { ListPage } from './store.ts'

const KEY = operationKey({ contract: 'refund', tenant: 'default', scope: 'tenant', scopeId: '', identity: 'a' })
const TICKET = KEY.slice(4, 16)
const recordOf = (state: State, change: Partial<OperationRecord> = {}): OperationRecord =>
  recordIn(state, { key: KEY, outcome: undefined, generation: 0, ...change })
const entry = (state: State) => ({ key: KEY, ticket: TICKET, tenant: 'default', tool: 'refund', state, at: NOW - 500 })
const NONE: Reconciliation = {
  agreed: 0,
  missing: [],
  unrecorded: [],
  repeated: [],
  doubtsThatHappened: [],
  doubtsNotListed: [],
  unknown: [],
  unnamed: 0,
  nameless: 0,
}

function compare(
  records: readonly OperationRecord[],
  items: readonly unknown[],
  options: Partial<ReconcileOptions> = {},
): Promise<Reconciliation> {
  const list = (): Promise<ListPage> => Promise.resolve({ records, next: undefined, now: NOW })
  return reconcileWith({} as Journal, list, items, { tool: 'refund', ...options })
}

describe('an operation and a list', () => {
  it.each(['committed', 'accepted', 'expired'] as const)('agree where it is %s and listed once', async (state) => {
    const records = [recordOf(state)]
    expect(await compare(records, [])).toEqual({ ...NONE, missing: [entry(state)] })
    expect(await compare(records, [KEY])).toEqual({ ...NONE, agreed: 1 })
    const repeated = [{ ...entry(state), name: KEY, times: 2 }]
    expect(await compare(records, [KEY, KEY])).toEqual({ ...NONE, repeated })
  })

  it.each(['in-doubt', 'recovering', 'abandoned'] as const)('tell of a doubt that is %s', async (state) => {
    const records = [recordOf(state)]
    const doubtsThatHappened = [{ ...entry(state), name: KEY }]
    expect(await compare(records, [])).toEqual({ ...NONE, doubtsNotListed: [entry(state)] })
    expect(await compare(records, [KEY])).toEqual({ ...NONE, doubtsThatHappened })
    const repeated = [{ ...entry(state), name: KEY, times: 3 }]
    expect(await compare(records, [KEY, KEY, KEY])).toEqual({ ...NONE, doubtsThatHappened, repeated })
  })

  it.each(['released', 'rejected'] as const)('differ where it is %s and listed', async (state) => {
    expect(await compare([recordOf(state)], [])).toEqual(NONE)
    expect(await compare([recordOf(state)], [KEY])).toEqual({ ...NONE, unrecorded: [{ ...entry(state), name: KEY }] })
  })

  it.each(['claimed', 'executing', 'awaiting-input', 'compensating', 'compensated'] as const)(
    'are not compared while it is %s, but for repeats',
    async (state) => {
      expect(await compare([recordOf(state)], [])).toEqual(NONE)
      expect(await compare([recordOf(state)], [KEY])).toEqual(NONE)
      const repeated = [{ ...entry(state), name: KEY, times: 2 }]
      expect(await compare([recordOf(state)], [KEY, KEY])).toEqual({ ...NONE, repeated })
    },
  )

  it('meet under several names at once: it was done that often', async () => {
    const found = await compare([recordOf('committed')], [TICKET, KEY])
    expect(found).toEqual({ ...NONE, repeated: [{ ...entry('committed'), name: KEY, times: 2 }] })
  })

  it('meet by the key of every provider and generation, and by no other', async () => {
    for (const provider of [undefined, ...Object.keys(KEY_SHAPES)])
      for (const generation of [0, 1]) {
        if (provider !== undefined && KEY_SHAPES[provider]?.form === 'none') continue
        const name = downstreamKey({ key: KEY, provider, operation: '', generation })
        const found = await compare([recordOf('committed', { generation: 1 })], [name])
        expect([provider, generation, found.agreed]).toEqual([provider, generation, 1])
      }
    const later = downstreamKey({ key: KEY, operation: '', generation: 1 })
    expect(await compare([recordOf('committed')], [later])).toMatchObject({ agreed: 0, unknown: [{ name: later }] })
  })
})

describe('a comparison', () => {
  it.each([null, undefined, 7, true, [], {}, { key: 7 }, { metadata: null }, { metadata: 'key' }, { id: KEY }])(
    'finds no name in %j',
    async (item) => {
      expect(await compare([recordOf('committed')], [item])).toEqual({
        ...NONE,
        missing: [entry('committed')],
        unnamed: 1,
      })
    },
  )

  it('says nothing of an operation that has no name any more', async () => {
    const operation = (): readonly undefined[] => [undefined]
    const records = (['committed', 'expired', 'in-doubt', 'released', 'executing'] as const).map((state) =>
      recordOf(state),
    )
    expect(await compare(records, [KEY], { operation })).toEqual({
      ...NONE,
      nameless: 3,
      unknown: [{ name: KEY, times: 1 }],
    })
  })

  it('reads page after page, of its tool alone', async () => {
    const queries: unknown[] = []
    const list = (query: object): Promise<ListPage> => {
      queries.push(query)
      const next = queries.length < 3 ? `cursor ${queries.length}` : undefined
      return Promise.resolve({ records: [recordOf('released')], next, now: NOW })
    }
    const looked: number[] = []
    const options = { tool: 'refund', progress: (count: number) => void looked.push(count) }
    expect(await reconcileWith({} as Journal, list, [], options)).toEqual(NONE)
    expect(queries).toStrictEqual([
      { tool: 'refund' },
      { tool: 'refund', after: 'cursor 1' },
      { tool: 'refund', after: 'cursor 2' },
    ])
    expect(looked).toEqual([1, 2, 3])
  })

  it('can be stopped while it reads the items, and between pages', async () => {
    const controller = new AbortController()
    let read = 0
    function* items(): Iterable<unknown> {
      for (;;) {
        read += 1
        if (read === 3) controller.abort(new Error('enough'))
        yield { key: KEY }
      }
    }
    const never = (): never => {
      throw new Error('it went on to the ledger')
    }
    const { signal } = controller
    await expect(reconcileWith({} as Journal, never, items(), { tool: 'refund', signal })).rejects.toThrow('enough')
    expect(read).toBe(3)
    await expect(reconcileWith({} as Journal, never, [], { tool: 'refund', signal })).rejects.toThrow('enough')
  })
})
