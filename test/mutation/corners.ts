import { OnefoldError } from '../../src/error/index.ts'
import { bench, settle, type Bench, type BenchOptions, type OrderInput } from './bench.ts'

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
