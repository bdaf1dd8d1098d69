import { median, percentile, times } from '../lib.ts'
import type { Contender, Instance, Place, StoreName } from './contender.ts'

/** What one contender needed in one round. Times in microseconds. */
interface Round {
  readonly first: readonly number[]
  readonly replay: readonly number[]
  readonly again: readonly number[]
  /** Calls a second at 64 at once, each with its own key, and the client's CPU time for each. */
  readonly perSecond: number
  readonly cpuUs: number
}

/** A contender's figures: medians over the rounds; ratios are taken to the floor of the same round. */
export interface Speed {
  readonly contender: Contender
  readonly firstP50: number
  readonly firstP99: number
  readonly replayP50: number
  readonly replayP99: number
  readonly perSecond: number
  readonly cpuUs: number
  readonly ratios: {
    readonly firstP50: number
    readonly firstP99: number
    readonly replayP50: number
    readonly replayP99: number
    readonly againP50: number
    readonly perSecond: number
  }
}

const CONCURRENT = 64
/** Calls of one round, one after the other, and how long a round calls concurrently. */
const FULL = { calls: 300, concurrentMs: 2_000, rounds: 9 }
const QUICK = { calls: 40, concurrentMs: 300, rounds: 3 }

const CHARGE = { id: 'ch_3NkKq2eZvKYlo2C1', status: 'succeeded', amount: 4200, currency: 'usd' }
const effect = (): Promise<unknown> => Promise.resolve(CHARGE)
const us = (samples: readonly number[]): number[] => samples.map((ms) => ms * 1000)

interface Pair {
  readonly contender: Contender
  /** Makes first calls. */
  readonly one: Instance
  /** Replays what the other one recorded, as another process would. */
  readonly other: Instance
  readonly rounds: Round[]
}

async function concurrently(
  instance: Instance,
  keys: string,
  ms: number,
): Promise<{ perSecond: number; cpuUs: number }> {
  const until = performance.now() + ms
  const cpu = process.cpuUsage()
  const from = performance.now()
  let calls = 0
  await Promise.all(
    Array.from({ length: CONCURRENT }, async () => {
      while (performance.now() < until) await instance.call(`${keys}${(calls += 1)}`, effect)
    }),
  )
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (calls / (performance.now() - from)) * 1000, cpuUs: (user + system) / calls }
}

async function round(pair: Pair, n: number, { calls, concurrentMs }: typeof FULL): Promise<Round> {
  const { one, other, contender } = pair
  const key = (i: number): string => `order-${n}-${i}-0123456789`
  let i = 0
  const first = us(await times(calls, async () => void (await one.call(key((i += 1)), effect))))
  // What keeps no ledger beside its process has nothing to show to another one.
  const reader = contender.store === 'memory' ? one : other
  i = 0
  const replay = us(await times(calls, async () => void (await reader.call(key((i += 1)), effect))))
  i = 0
  const again = us(await times(calls, async () => void (await reader.call(key((i += 1)), effect))))
  return { first, replay, again, ...(await concurrently(one, `at-once-${n}-`, concurrentMs)) }
}

/** Sequential first calls and replays, and 64 at once; contenders take turns, so that a busy machine is busy for all. */
export async function measureSpeed(
  contenders: readonly Contender[],
  place: Place,
  options: { readonly quick: boolean },
): Promise<readonly Speed[]> {
  const size = options.quick ? QUICK : FULL
  const pairs: Pair[] = []
  for (const contender of contenders) {
    try {
      pairs.push({ contender, one: await contender.make(place), other: await contender.make(place), rounds: [] })
    } catch (error) {
      console.error(`${contender.name} is left out: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  // The first round warms up.
  for (let n = -1; n < size.rounds; n += 1) {
    for (const pair of rotated(pairs, n + 1)) {
      const done = await round(pair, n, size)
      if (n >= 0) pair.rounds.push(done)
    }
  }
  for (const { one, other } of pairs) {
    await one.close()
    await other.close()
  }
  return pairs.map((pair) => speedOf(pair, floorOf(pairs, pair.contender.store)))
}

const rotated = <T>(all: readonly T[], by: number): readonly T[] => {
  const at = all.length === 0 ? 0 : by % all.length
  return [...all.slice(at), ...all.slice(0, at)]
}

const floorOf = (pairs: readonly Pair[], store: StoreName): Pair | undefined =>
  pairs.find(({ contender }) => contender.store === store && contender.floor === true)

function speedOf({ contender, rounds }: Pair, floor: Pair | undefined): Speed {
  const over = (of: (round: Round) => number): number => median(rounds.map(of))
  const ratio = (of: (round: Round) => number, base: (round: Round) => number = of): number =>
    floor === undefined ? Number.NaN : median(rounds.map((one, n) => of(one) / base(floor.rounds[n] as Round)))
  const p50 = (name: 'first' | 'replay' | 'again') => (one: Round) => percentile(one[name], 0.5)
  const p99 = (name: 'first' | 'replay' | 'again') => (one: Round) => percentile(one[name], 0.99)
  return {
    contender,
    firstP50: over(p50('first')),
    firstP99: over(p99('first')),
    replayP50: over(p50('replay')),
    replayP99: over(p99('replay')),
    perSecond: over((one) => one.perSecond),
    cpuUs: over((one) => one.cpuUs),
    ratios: {
      firstP50: ratio(p50('first')),
      firstP99: ratio(p99('first')),
      replayP50: ratio(p50('replay')),
      replayP99: ratio(p99('replay')),
      againP50: ratio(p50('again'), p50('replay')),
      perSecond: ratio((one) => one.perSecond),
    },
  }
}
