import assert from 'node:assert/strict'
import type { Store } from '../../engine/index.ts'
import { linearization, type Call, type Model } from '../linearizability.ts'
import { WHO, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

/** A call on one key. Records are named by their write's random name, '' is absent. */
export type RegisterInput = { readonly read: true } | { readonly from: string; readonly to: string }
export interface RegisterOutput {
  readonly applied: boolean
  readonly seen: string
}

/** What a store is for one key: a register with compare-and-set that shows what is there. */
export const registerModel: Model<string, RegisterInput, RegisterOutput> = {
  initial: '',
  name: (state) => state,
  step(state, input, output) {
    if ('read' in input) return output === undefined || output.seen === state ? state : undefined
    if (output === undefined) return state === input.from ? input.to : state
    if (output.applied) return state === input.from && output.seen === input.to ? input.to : undefined
    return state !== input.from && output.seen === state ? state : undefined
  },
}

/** The calls on one key, as several clients saw them. */
type History = Call<RegisterInput, RegisterOutput>[]

const CLIENTS = 6
const CALLS = 12

/** A small generator of its own, so that a failing history can be had again from its seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Lets clients loose on a few keys and writes down what each saw. Deletions are writes to ''. */
async function record(benches: readonly Bench[], seed: number): Promise<Map<string, History>> {
  const keys = [benches[0]?.key() ?? '', benches[0]?.key() ?? '']
  const histories = new Map<string, History>(keys.map((key) => [key, []]))
  const next = random(seed)
  let tick = 0

  async function client(bench: Bench): Promise<void> {
    for (let n = 0; n < CALLS; n += 1) {
      const key = keys[Math.floor(next() * keys.length)] as string
      const history = histories.get(key) as History
      const called = (tick += 1)
      const { record: seen } = await bench.read(key)
      history.push({
        input: { read: true },
        output: { applied: false, seen: seen?.writeId ?? '' },
        called,
        returned: (tick += 1),
      })
      if (next() < 0.3) continue
      const erase = seen !== undefined && next() < 0.2
      const to = erase ? '' : bench.name()
      const write = seen === undefined ? await insertOf(bench, key, to) : withName(bench, seen, to)
      const input = { from: seen?.writeId ?? '', to }
      const asked = (tick += 1)
      try {
        const answer = await bench.store.write(write)
        const output = { applied: answer.applied, seen: answer.record?.writeId ?? '' }
        history.push({ input, output, called: asked, returned: (tick += 1) })
      } catch {
        history.push({ input, output: undefined, called: asked, returned: Infinity })
      }
    }
  }

  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(benches[n % benches.length] as Bench)))
  return histories
}

async function insertOf(bench: Bench, key: string, writeId: string): ReturnType<Bench['plan']> {
  const touch = {
    type: 'claim',
    who: WHO,
    nonce: writeId,
    leaseMs: 1000,
    descriptor: bench.descriptor(),
    input: '{}',
    mark: false,
  } as const
  const { decide } = await import('../../engine/index.ts')
  const decision = decide(key, undefined, touch, 0)
  assert.ok(decision.ok && decision.draft !== undefined)
  return { key, tenant: bench.tenant, expect: 0, draft: { ...decision.draft, writeId }, event: decision.event }
}

function withName(bench: Bench, seen: Parameters<Bench['touch']>[0], writeId: string): ReturnType<Bench['touch']> {
  const write = bench.touch(seen)
  return { ...write, draft: writeId === '' ? undefined : write.draft && { ...write.draft, writeId } }
}

function assertLinearizable(histories: ReadonlyMap<string, History>, seed: number): void {
  for (const history of histories.values()) {
    const order = linearization(registerModel, history)
    assert.ok(order !== undefined, `seed ${seed}: no order explains ${JSON.stringify(history)}`)
  }
}

/** Histories of concurrent calls, each checked for linearizability, key by key. */
export const concurrentHistories: readonly Case[] = group('linearizability', [
  ...Array.from({ length: 10 }, (_, seed) => ({
    name: `${CLIENTS} clients of one process, seed ${seed}`,
    async run(bench: Bench) {
      assertLinearizable(await record([bench], seed), seed)
    },
  })),
  ...Array.from({ length: 5 }, (_, seed) => ({
    name: `${CLIENTS} clients of two processes, seed ${seed}`,
    needs: ['another'] as const,
    async run(bench: Bench) {
      const other = (await bench.under.another?.()) as Store
      try {
        assertLinearizable(await record([bench, bench.on(other)], seed), seed)
      } finally {
        await other.close()
      }
    },
  })),
])
