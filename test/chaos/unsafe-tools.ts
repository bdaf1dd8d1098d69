import { createHash, randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import { keyed, manual, probe } from '../../src/contract/index.ts'
import type { Recovery, ToolContext } from '../../src/contract/index.ts'
import type { Store } from '../../src/engine/index.ts'
import type { Life, ToolCall } from '../../src/testing/index.ts'
import type { Downstream } from '../support/downstream.ts'

/** One order to place: `note` is the model's own wording, different at each sampling. */
export interface Order {
  readonly ref: string
  readonly note: string
}

export type Place = (order: Order, call: ToolCall) => Promise<unknown>

/** A way to make a tool "idempotent". */
export interface Example {
  readonly name: string
  /** The mistake, in one sentence. */
  readonly mistake: string
  /** Whether the order service honours idempotency keys in this story. */
  readonly keyed: boolean
  /** The repaired twin's ledger is a file. @default one in memory, shared by the processes of the run */
  readonly onDisk?: true
  readonly unsafe: (means: Means) => Place
  readonly repaired: (means: Means) => Place
}

/** What a tool has in one process: the network, a clock, a database file that outlives it, memory that does not. */
export interface Means {
  readonly life: Life
  readonly downstream: Downstream
  /** Rows `key, state, until` of the tool's own deduplication table. */
  readonly claims: DatabaseSync
  /** The ledger of the repaired tool, which outlives the process too. */
  readonly ledger: () => Store
}

const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 36)

/** The effect: one order at the service. */
async function post({ life, downstream }: Means, order: Order, key?: string, send = life.fetch): Promise<unknown> {
  const answer = await send(`${downstream.url}/effects/${order.ref}`, {
    method: 'POST',
    body: JSON.stringify(order),
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  })
  if (!answer.ok) throw Object.assign(new Error(`the service answered ${answer.status}`), { status: answer.status })
  return await answer.json()
}

const rowOf = (claims: DatabaseSync, ref: string): { state: string; until: number } | undefined =>
  claims.prepare('SELECT state, until FROM claims WHERE key = ?').get(ref) as never

const put = (claims: DatabaseSync, ref: string, state: string, until = 0): void =>
  void claims.prepare('INSERT OR REPLACE INTO claims (key, state, until) VALUES (?, ?, ?)').run(ref, state, until)

const claim = (claims: DatabaseSync, ref: string): boolean =>
  claims.prepare("INSERT OR IGNORE INTO claims (key, state, until) VALUES (?, 'running', 0)").run(ref).changes === 1

const busy = (ref: string): Error => new Error(`${ref} is being placed by somebody else`)

/** The repair for whatever keeps its own book: the same effect behind a contract. */
function guarded(recovery: (means: Means) => Recovery<Order, unknown>): (means: Means) => Place {
  return (means) => {
    const guard = means.life.onefold({ store: means.ledger() })
    return guard.tool({
      name: 'place_order',
      input: z.object({ ref: z.string(), note: z.string() }),
      effect: 'write',
      identity: ['ref'],
      ignore: ['note'],
      sends: 'checked',
      recovery: recovery(means),
      execute: async (order: Order, context: ToolContext) => await post(means, order, undefined, context.fetch),
    })
  }
}

const byProbe = guarded(({ life, downstream }) =>
  probe(
    async (order: Order) => {
      const answer = await life.fetch(`${downstream.url}/effects/${order.ref}`)
      if (answer.status === 404) return { found: false }
      return answer.ok ? { found: true, value: await answer.json() } : { found: 'unknown' }
    },
    { settle: '1ms' },
  ),
)

const MINUTE_MS = 60_000

export const EXAMPLES: readonly Example[] = [
  {
    name: 'fresh UUID per attempt',
    mistake: 'the key names the attempt, so no two requests are ever equal',
    keyed: true,
    unsafe: (means) => async (order) => await post(means, order, randomUUID()),
    repaired: (means) => async (order) => await post(means, order, hash(order.ref)),
  },
  {
    name: 'key per attempt number',
    mistake: 'the key changes with each repeat of the framework',
    keyed: true,
    unsafe: (means) => async (order, call) => await post(means, order, hash([order.ref, call.attempt])),
    repaired: (means) => async (order) => await post(means, order, hash(order.ref)),
  },
  {
    name: 'key including a timestamp',
    mistake: 'a repeat in the next minute has another key',
    keyed: true,
    unsafe: (means) => async (order) =>
      await post(means, order, hash([order.ref, Math.floor(means.life.now() / MINUTE_MS)])),
    repaired: (means) => async (order) => await post(means, order, hash(order.ref)),
  },
  {
    name: 'reworded body in the key',
    mistake: 'the model words its second attempt differently',
    keyed: true,
    unsafe: (means) => async (order) => await post(means, order, hash(order)),
    repaired: (means) => async (order) => await post(means, order, hash(order.ref)),
  },
  {
    name: 'hidden retry without a key',
    mistake: 'the tool repeats a 5xx by itself, though the effect may have happened',
    keyed: true,
    unsafe: (means) => async (order) => {
      if (rowOf(means.claims, order.ref) !== undefined) return 'placed already'
      put(means.claims, order.ref, 'done')
      return await post(means, order).catch(() => post(means, order))
    },
    repaired: guarded(() => keyed('24h')),
  },
  {
    name: 'delete on throw',
    mistake: 'an error is taken for "nothing happened"',
    keyed: false,
    unsafe: (means) => async (order) => {
      if (!claim(means.claims, order.ref)) return 'placed already'
      try {
        return await post(means, order)
      } catch (error) {
        means.claims.prepare('DELETE FROM claims WHERE key = ?').run(order.ref)
        throw error
      }
    },
    repaired: byProbe,
  },
  {
    name: 'check, then act',
    mistake: 'between the look and the note there is room for a second caller',
    keyed: false,
    unsafe: (means) => async (order) => {
      if (rowOf(means.claims, order.ref) !== undefined) return 'placed already'
      const placed = await post(means, order)
      put(means.claims, order.ref, 'done')
      return placed
    },
    repaired: byProbe,
  },
  {
    name: 'in-memory set',
    mistake: 'a restart forgets it',
    keyed: false,
    onDisk: true,
    unsafe: (means) => {
      const seen = new Map<string, Promise<unknown>>()
      return (order) => {
        const known = seen.get(order.ref) ?? post(means, order)
        seen.set(order.ref, known)
        return known
      }
    },
    repaired: byProbe,
  },
  {
    name: 'time-to-live on the claim',
    mistake: 'the claim expires while the work goes on',
    keyed: false,
    unsafe: (means) => async (order) => {
      const row = rowOf(means.claims, order.ref)
      if (row?.state === 'done') return 'placed already'
      if (row !== undefined && row.until > means.life.now()) throw busy(order.ref)
      put(means.claims, order.ref, 'running', means.life.now() + MINUTE_MS)
      const placed = await post(means, order)
      put(means.claims, order.ref, 'done')
      return placed
    },
    repaired: guarded(() => manual()),
  },
  {
    name: 'retry on a lapsed lease',
    mistake: 'an owner that is silent is taken for one that did nothing',
    keyed: false,
    unsafe: (means) => async (order) => {
      if (claim(means.claims, order.ref)) put(means.claims, order.ref, 'running', means.life.now() + MINUTE_MS)
      else {
        const row = rowOf(means.claims, order.ref)
        if (row?.state !== 'running') return 'placed already'
        if (row.until > means.life.now()) throw busy(order.ref)
        put(means.claims, order.ref, 'running', means.life.now() + MINUTE_MS)
      }
      try {
        return await post(means, order)
      } finally {
        put(means.claims, order.ref, 'done')
      }
    },
    repaired: byProbe,
  },
  {
    name: 'commit before the effect',
    mistake: 'what was written down never happened',
    keyed: false,
    unsafe: (means) => async (order) => {
      if (!claim(means.claims, order.ref)) return 'placed already'
      put(means.claims, order.ref, 'done')
      return await post(means, order)
    },
    repaired: byProbe,
  },
]
