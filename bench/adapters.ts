/**
 * What the adapters add: microseconds per protected call of a tool on the memory store and on the embedded one, against
 * the bare call and the engine alone in the same turns; and how fast `protectModel` replays a stream that the ledger has.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyed, onefold, type Guard, type StandardSchemaV1 } from '../src/index.ts'
import { protectModel, protectTools } from '../src/adapter/ai-sdk/index.ts'
import { protectTools as protectAnthropic } from '../src/adapter/anthropic/index.ts'
import { memoryStore } from '../src/store/memory/index.ts'
import { sqliteStore } from '../src/store/sqlite/index.ts'
import { median, percentile, type Measured, type Row } from './lib.ts'
import type { BenchOptions } from './main.ts'

interface Input {
  readonly order: string
  readonly amount: number
}
const contract = { identity: ['order'], recovery: keyed('24h') } as const
const CHUNKS = 1_000
const anything: StandardSchemaV1<Input> = {
  '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as Input }) },
}

/** Rounds before the first that counts: the adapters' own code has to be warm, as it is in a server. */
const WARM_UP = 8

interface Callers {
  readonly bare: (order: string) => Promise<unknown>
  readonly engine: (order: string) => Promise<unknown>
  readonly aiSdk: (order: string) => Promise<unknown>
  readonly anthropic: (order: string) => Promise<unknown>
}

function callersOf(guard: Guard): Callers {
  const work = (input: Input): Promise<Input> => Promise.resolve(input)
  const charge = { description: 'charges', execute: (input: Input, _options: { toolCallId: string }) => work(input) }
  const runnable = { name: 'charge_too', description: 'charges', run: (input: Input) => work(input) }
  const { charge: protectedCharge } = protectTools(guard, { charge }, { charge: contract })
  const [protectedRunnable = runnable] = protectAnthropic(guard, [runnable], { charge_too: contract })
  const tool = guard.tool({
    name: 'charge_plainly',
    input: anything,
    effect: 'write',
    ...contract,
    execute: (input) => work(input),
  })
  const inputOf = (order: string): Input => ({ order, amount: 100 })
  return {
    engine: (order) => tool(inputOf(order)),
    bare: (order) => charge.execute(inputOf(order), { toolCallId: order }),
    aiSdk: (order) => protectedCharge.execute(inputOf(order), { toolCallId: order }),
    anthropic: (order) => protectedRunnable.run(inputOf(order)),
  }
}

/** Microseconds of one call, over a batch, so that the clock's own cost does not count. */
async function batch(call: (order: string) => Promise<unknown>, size: number, name: string): Promise<number> {
  const started = performance.now()
  for (let at = 0; at < size; at += 1) await call(`${name}-${at}`)
  return ((performance.now() - started) / size) * 1_000
}

interface Added {
  readonly engine: number[]
  readonly aiSdk: number[]
  readonly anthropic: number[]
  readonly bare: number[]
  readonly replay: number[]
}

async function addedPerCall(guard: Guard, rounds: number, size: number): Promise<Added> {
  const callers = callersOf(guard)
  const added: Added = { engine: [], aiSdk: [], anthropic: [], bare: [], replay: [] }
  await guard.run({ id: 'bench' }, async () => {
    for (let round = -WARM_UP; round < rounds; round += 1) {
      const floor = await batch(callers.bare, size, `r${round}`)
      const engine = await batch(callers.engine, size, `r${round}`)
      const aiSdk = await batch(callers.aiSdk, size, `r${round}`)
      const anthropic = await batch(callers.anthropic, size, `r${round}`)
      const replay = await batch(callers.aiSdk, size, `r${round}`)
      if (round < 0) continue
      added.bare.push(floor)
      added.engine.push(engine - floor)
      added.aiSdk.push(aiSdk - floor)
      added.anthropic.push(anthropic - floor)
      added.replay.push(replay - floor)
    }
  })
  return added
}

/** Chunks a second of a stream that is read from the ledger, from the call to its last part. */
async function replayRate(guard: Guard, rounds: number): Promise<number[]> {
  const parts = [
    { type: 'stream-start', warnings: [] },
    { type: 'text-start', id: 't' },
    ...Array.from({ length: CHUNKS - 4 }, (_, at) => ({ type: 'text-delta', id: 't', delta: `word ${at} ` })),
    { type: 'text-end', id: 't' },
    { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: {} },
  ]
  let samples = 0
  const model = protectModel(guard, {
    specificationVersion: 'v4',
    provider: 'bench',
    modelId: 'bench',
    doGenerate: (_call: object): Promise<object> => Promise.reject(new Error('not asked')),
    doStream: (_call: object) => {
      samples += 1
      return Promise.resolve({ stream: ReadableStream.from(parts) })
    },
  })
  const read = async (): Promise<number> => {
    let chunks = 0
    for await (const _part of (await model.doStream({ prompt: [{ role: 'user', content: 'hi' }] })).stream) chunks += 1
    return chunks
  }
  const rates: number[] = []
  await guard.run({ id: 'replay' }, async () => {
    for (let round = -3; round < rounds; round += 1) {
      const started = performance.now()
      const chunks = await read()
      if (chunks !== CHUNKS || samples !== 1) throw new Error(`${chunks} chunks of ${samples} samples`)
      if (round >= 0) rates.push((chunks / (performance.now() - started)) * 1_000)
    }
  })
  return rates
}

/** `npm run bench -- adapters`. */
export async function run({ quick }: BenchOptions): Promise<Measured> {
  const rounds = quick ? 10 : 40
  const size = quick ? 500 : 1_000
  const folder = mkdtempSync(join(tmpdir(), 'onefold-bench-adapters-'))
  const memory = onefold({ store: memoryStore(), allowVolatile: true })
  const sqlite = onefold({ store: sqliteStore(join(folder, 'ledger.db')) })
  try {
    const inMemory = await addedPerCall(memory, rounds, size)
    const onDisk = await addedPerCall(sqlite, Math.ceil(rounds / 4), Math.ceil(size / 10))
    const rates = await replayRate(memory, rounds * 3)
    const us = (name: string, samples: readonly number[]): Row => ({ name, value: median(samples), unit: 'µs' })
    return {
      bench: 'adapters',
      setup: { calls: `${rounds} rounds of ${size} calls one after the other, bare and protected in turns` },
      rows: [
        { ...us('ai-sdk: added to a first call, memory store, p50', inMemory.aiSdk), target: { atMost: 40 } },
        { ...us('anthropic: added to a first call, memory store, p50', inMemory.anthropic), target: { atMost: 40 } },
        us('ai-sdk: added to a replay, memory store, p50', inMemory.replay),
        us('ai-sdk: added to a first call, embedded store, p50', onDisk.aiSdk),
        us('floor: guard.tool, memory store, p50', inMemory.engine),
        us('floor: guard.tool, embedded store, p50', onDisk.engine),
        us('bare call, p50', inMemory.bare),
        {
          name: `protectModel: replay of a stream of ${CHUNKS} chunks, p50`,
          value: median(rates),
          unit: 'chunks/s',
          target: { atLeast: 50_000 },
          note: `p05 ${Math.round(percentile(rates, 0.05)).toLocaleString('en')}`,
        },
      ],
    }
  } finally {
    await memory.close()
    await sqlite.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
