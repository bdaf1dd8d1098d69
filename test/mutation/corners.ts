import { OnefoldError } from '../../src/error/index.ts'
import { bench, coded, settle, unavailable, type Bench, type BenchOptions, type OrderInput } from './bench.ts'

export const alarms = (b: Bench): unknown[] =>
  b.events.filter(({ name }) => name === 'alarm').map(({ message }) => message)
export const doubts = (b: Bench): unknown[] =>
  b.events.filter(({ name }) => name === 'doubt').map(({ reason }) => reason)
export const unsafe = (): OnefoldError => new OnefoldError('STORE_UNSAFE', 'broken')
export const probing = (b: Bench, change: object = {}): object => ({
  class: 'probe',
  settleMs: 0,
  probe: ({ ref }: OrderInput) => b.downstream.find(ref),
  ...change,
})
export const keyed = (change: object = {}): object => ({
  class: 'keyed',
  windowMs: 86_400_000,
  settleMs: 0,
  ...change,
})

/** Two engines on one ledger, the second open. */
export async function pair(options: object = {}): Promise<readonly [Bench, Bench]> {
  const a = bench(options)
  const b = bench({ beside: a, self: 'host/boot/2/2' })
  await b.until(b.guard.open())
  return [a, b]
}

/** A doubt left by a first call: its caller does not wait for the recovery. */
export async function doubted(
  recovery: (b: Bench) => object,
  fault: 'lose-answer' | 'lose-request',
  options: BenchOptions = {},
  tools: object = {},
) {
  const b = bench(options)
  const tool = b.tool({ recovery: recovery(b), ...tools })
  b.downstream.plan('a', fault)
  return { b, tool, key: b.guard.internals.name(tool.contract, { ref: 'a' }).key }
}

/** A call that the downstream holds on to until it is released. */
export const hold = async (b: Bench, options: object = {}) => {
  const tool = b.tool({ timeout: '10m', ...options })
  b.downstream.plan('a', 'hold')
  const call = tool.perform({ ref: 'a' })
  call.catch(() => undefined)
  await settle()
  return { tool, call, key: b.guard.internals.name(tool.contract, { ref: 'a' }).key }
}

/** A doubt whose caller is gone before anybody recovers it. */
export async function left(b: Bench, options: object) {
  const tool = b.tool(options)
  b.downstream.plan('a', 'lose-answer')
  b.fault = (point) => {
    if (point === 'doubted') throw coded('crash')
  }
  await b.until(tool({ ref: 'a' }).catch(() => undefined))
  b.fault = () => undefined
  return tool
}

/** An owner that hangs with its request lost and its lease over, and another engine that has looked twice. */
export async function hungOwner(options: (b: Bench) => object) {
  const b = bench()
  const other = bench({ beside: b, self: 'host/boot/2/1' })
  const first = b.tool(options(b))
  other.tool(options(b))
  b.downstream.plan('a', 'lose-request')
  b.fault = (point) => (point === 'answered' ? new Promise(() => undefined) : undefined)
  void first({ ref: 'a' }).catch(() => undefined)
  await settle()
  const { key } = b.record(first, { ref: 'a' })!
  b.time.stepStore(31_000)
  // The first process hangs: its heartbeats do not come.
  b.trouble.request = () => {
    throw unavailable()
  }
  await b.until(other.guard.internals.tick())
  await b.until(other.guard.internals.tick())
  return { b, other, key }
}
