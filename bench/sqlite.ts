import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SqliteDatabase } from '../src/store/sqlite/sqlite-module.ts'
import { sqliteStore } from '../src/store/sqlite/index.ts'
import { median, percentile, type Measured, type Row } from './lib.ts'
import type { BenchOptions } from './main.ts'
import { engineMemory, engineReplays, engineSequential, engineThroughput, openEngine } from './sqlite-engine.ts'
import { openFloor, type Floor } from './sqlite-floor.ts'
import { claims, filledLedger, reads, sequential, throughput } from './sqlite-store.ts'

const CONCURRENT = 64
const ROUNDS = 3

/**
 * The embedded ledger against the floor of the same run. Floor and store take turns, so that a neighbour on the machine
 * disturbs both; ratios are of medians.
 */
export async function run(options: BenchOptions): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-bench-'))
  try {
    const effects = options.quick ? 6_400 : 19_200
    const rows = [
      ...(await engineRows(folder, effects)),
      ...(await ownThreadRows(folder, effects)),
      ...(await storeRows(folder, effects)),
      ...(await sizeRows(folder, options.quick)),
      ...(await memoryRows(folder, options.quick ? 100_000 : 1_000_000)),
    ]
    return {
      bench: 'sqlite',
      rows,
      setup: { sqlite: sqliteVersion(), folder, effects: String(effects), concurrent: String(CONCURRENT) },
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What is measured against the floor: effects at once, and one after the other. */
interface Contender {
  throughput(effects: number): Promise<{ readonly perSecond: number; readonly loopDelayMs: number }>
  /** Milliseconds of each. */
  sequential(count: number): Promise<number[]>
}

/** Medians of the floor and a contender that take turns, so that a neighbour on the machine disturbs both. */
interface Turns extends Pairs {
  readonly floorRate: number
  readonly rate: number
  readonly delayMs: number
}

interface Pairs {
  /** Two commits, and a contender's, each after a pause. */
  readonly floorPairMs: number
  readonly pairMs: number
  /** The same one after the other without a pause. */
  readonly floorLoopMs: number
  readonly loopMs: number
}

/**
 * Calls of an agent come one at a time, never as fast as a disk can take them. Commits that follow each other at once find
 * the disk, and the machine below it, still awake, and take a part of the time that each takes after a pause; a contender,
 * which does something else between its two commits, never does. So both begin after the same pause.
 */
const PAUSE_MS = 1

async function inTurns(floor: Floor, effects: number, contender: Contender): Promise<Turns> {
  const floorRates: number[] = []
  const rates: number[] = []
  const delays: number[] = []
  const pairs = pairsInTurns(floor, contender)
  floor.grouped(effects / 4, CONCURRENT)
  await contender.throughput(effects / 4)
  for (let round = 0; round < ROUNDS; round += 1) {
    floorRates.push(floor.grouped(effects, CONCURRENT))
    const measured = await contender.throughput(effects)
    rates.push(measured.perSecond)
    delays.push(measured.loopDelayMs)
    await pairs.round()
  }
  return {
    floorRate: median(floorRates),
    rate: median(rates),
    delayMs: median(delays),
    ...pairs.medians(),
  }
}

/** One call after the other, of the floor and of a contender. */
function pairsInTurns(
  floor: Floor,
  contender: Pick<Contender, 'sequential'>,
): { round(): Promise<void>; medians(): Pairs } {
  const [floorPairs, pairs, floorLoop, loop]: [number[], number[], number[], number[]] = [[], [], [], []]
  return {
    async round() {
      floorLoop.push(...floor.pairs(300))
      loop.push(...(await contender.sequential(300)))
      for (let n = 0; n < 300; n += 1) {
        await pause(PAUSE_MS)
        floorPairs.push(...floor.pairs(1))
        await pause(PAUSE_MS)
        pairs.push(...(await contender.sequential(1)))
      }
    },
    medians: () => ({
      floorPairMs: median(floorPairs),
      pairMs: median(pairs),
      floorLoopMs: median(floorLoop),
      loopMs: median(loop),
    }),
  }
}

function pairRows(name: string, { floorPairMs, pairMs, floorLoopMs, loopMs }: Pairs): Row[] {
  return [
    { name: `floor: two commits, ${PAUSE_MS} ms apart, p50`, value: floorPairMs, unit: 'ms' },
    { name: `${name}, ${PAUSE_MS} ms apart, p50`, value: pairMs, unit: 'ms' },
    { name: `${name} against the floor`, value: pairMs / floorPairMs, unit: '', target: { atMost: 1.8 } },
    {
      name: `${name} against the floor, both without a pause`,
      value: loopMs / floorLoopMs,
      unit: '',
      target: { atMost: 1.8 },
    },
  ]
}

/** What a caller of a protected tool pays, against the floor measured in turns with it. */
async function engineRows(folder: string, effects: number): Promise<Row[]> {
  const floor = openFloor(join(folder, 'engine-floor.db'))
  const engine = await openEngine(join(folder, 'engine.db'))
  const taken = await inTurns(floor, effects, {
    throughput: (count) => engineThroughput(engine, count, CONCURRENT),
    sequential: (count) => engineSequential(engine, count),
  })
  const replays = await engineReplays(engine, 20_000)
  floor.close()
  await engine.close()
  return [
    { name: `floor: effects in group commits of ${CONCURRENT}`, value: Math.round(taken.floorRate), unit: '/s' },
    { name: `engine: effects at ${CONCURRENT} concurrent`, value: Math.round(taken.rate), unit: '/s' },
    {
      name: 'engine: effects against the floor',
      value: taken.rate / taken.floorRate,
      unit: '',
      target: { atLeast: 0.45 },
    },
    { name: 'engine: event-loop delay p99 meanwhile', value: taken.delayMs, unit: 'ms', target: { atMost: 5 } },
    ...pairRows('engine: first call', taken),
    { name: 'engine: replay, p50', value: median(replays), unit: 'µs', target: { atMost: 30 } },
    { name: 'engine: replay, p99', value: percentile(replays, 0.99), unit: 'µs' },
  ]
}

/** The same first call where commits run on the caller's thread, as in Onefold's own programs (decision 0008). */
async function ownThreadRows(folder: string, effects: number): Promise<Row[]> {
  const floor = openFloor(join(folder, 'own-thread-floor.db'))
  const engine = await openEngine(join(folder, 'own-thread.db'), { onCallersThread: true })
  floor.grouped(effects / 4, CONCURRENT)
  await engineThroughput(engine, effects / 4, CONCURRENT)
  const pairs = pairsInTurns(floor, { sequential: (count) => engineSequential(engine, count) })
  for (let round = 0; round < ROUNDS; round += 1) await pairs.round()
  floor.close()
  await engine.close()
  return pairRows('engine on the caller’s thread: first call', pairs.medians())
}

/** Growth of resident memory over the second half of many operations. */
async function memoryRows(folder: string, operations: number): Promise<Row[]> {
  const engine = await openEngine(join(folder, 'memory.db'))
  const shares = await engineMemory(engine, operations, CONCURRENT)
  await engine.close()
  const half = shares.slice(4)
  return [
    {
      name: `engine: resident memory after ${(operations / 10).toLocaleString('en')} operations`,
      value: shares[0] ?? 0,
      unit: 'MiB',
    },
    {
      name: `engine: resident memory after ${operations.toLocaleString('en')} operations`,
      value: shares.at(-1) ?? 0,
      unit: 'MiB',
    },
    {
      name: 'engine: last share against the half-way mark',
      value: (shares.at(-1) ?? 0) / median(half),
      unit: '',
      target: { atMost: 1.1 },
    },
  ]
}

async function storeRows(folder: string, effects: number): Promise<Row[]> {
  const floor = openFloor(join(folder, 'floor.db'))
  const store = sqliteStore(join(folder, 'store.db'))
  await store.open()
  const taken = await inTurns(floor, effects, {
    throughput: (count) => throughput(store, count, CONCURRENT),
    sequential: (count) => sequential(store, count),
  })
  const read = await reads(store, 20_000)
  floor.close()
  await store.close()
  return [
    { name: `floor: effects in group commits of ${CONCURRENT}`, value: Math.round(taken.floorRate), unit: '/s' },
    { name: `store: effects at ${CONCURRENT} concurrent`, value: Math.round(taken.rate), unit: '/s' },
    {
      name: 'store: effects against the floor',
      value: taken.rate / taken.floorRate,
      unit: '',
      target: { atLeast: 0.6 },
    },
    { name: 'store: event-loop delay p99 meanwhile', value: taken.delayMs, unit: 'ms', target: { atMost: 5 } },
    ...pairRows('store: claim and commit', taken),
    { name: 'store: read of a committed record, p50', value: median(read), unit: 'µs', target: { atMost: 15 } },
    { name: 'store: read of a committed record, p99', value: percentile(read, 0.99), unit: 'µs' },
  ]
}

async function sizeRows(folder: string, quick: boolean): Promise<Row[]> {
  const many = quick ? 100_000 : 1_000_000
  const small = await filledLedger(join(folder, 'small.db'), 1_000)
  const large = await filledLedger(join(folder, 'large.db'), many)
  const smallTimes: number[] = []
  const largeTimes: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    smallTimes.push(...(await claims(small, 300)))
    largeTimes.push(...(await claims(large, 300)))
  }
  await small.close()
  await large.close()
  return [
    { name: 'store: claim with 1,000 records, p50', value: median(smallTimes), unit: 'ms' },
    { name: `store: claim with ${many.toLocaleString('en')} records, p50`, value: median(largeTimes), unit: 'ms' },
    {
      name: 'store: claim, many records against few',
      value: median(largeTimes) / median(smallTimes),
      unit: '',
      target: { atMost: 1.5 },
    },
  ]
}

function sqliteVersion(): string {
  const database = new SqliteDatabase(':memory:')
  const version = String(database.prepare('SELECT sqlite_version() AS version').get()?.['version'])
  database.close()
  return version
}
