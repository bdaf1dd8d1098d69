import { monitorEventLoopDelay } from 'node:perf_hooks'
import * as z from 'zod'
import { manual } from '../src/contract/index.ts'
import { createGuard, type Guard, type ProtectedTool } from '../src/engine/index.ts'
import { sqliteStore, type SqliteOptions } from '../src/store/sqlite/index.ts'
import { systemClock, systemIds, systemProcesses } from '../src/system/index.ts'
import { rate, RESOLUTION_MS, times } from './lib.ts'

/** How the ledger under test is opened. */
type EngineOptions = Pick<SqliteOptions, 'onCallersThread'>

/** A guard on a fresh embedded ledger, with one protected tool whose effect costs nothing. */
export interface EngineUnderTest {
  readonly guard: Guard
  /** One operation that was never made before. */
  first(): Promise<void>
  /** One that was. */
  replay(): Promise<void>
  close(): Promise<void>
}

type Refund = { readonly id: string; readonly cents: number }

export async function openEngine(path: string, options: EngineOptions = {}): Promise<EngineUnderTest> {
  const guard = createGuard({
    store: sqliteStore({ path, ...options }),
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
  })
  const refund: ProtectedTool<Refund, { ok: string }> = guard.tool({
    name: 'refund',
    input: z.object({ id: z.string(), cents: z.number().int() }),
    effect: 'write',
    identity: ['id'],
    recovery: manual(),
    execute: (input) => ({ ok: input.id }),
  })
  let made = 0
  let asked = 0
  const call = async (n: number): Promise<void> => void (await refund({ id: `return-${n}`, cents: 4_200 }))
  await call(made++)
  return {
    guard,
    first: () => call(made++),
    replay: () => call(asked++ % Math.min(made, 1_000)),
    close: () => guard.close(),
  }
}

/** Effects per second at `concurrent` distinct keys, and the 99th percentile of the event loop's delay, in milliseconds. */
export async function engineThroughput(
  engine: EngineUnderTest,
  effects: number,
  concurrent: number,
): Promise<{ readonly perSecond: number; readonly loopDelayMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const perSecond = await rate(effects, concurrent, engine.first)
  delay.disable()
  return { perSecond, loopDelayMs: delay.percentile(99) / 1e6 - RESOLUTION_MS }
}

/** Milliseconds of one first call after the other. */
export const engineSequential = (engine: EngineUnderTest, count: number): Promise<number[]> =>
  times(count, engine.first)

/** Microseconds of one replay after the other. */
export async function engineReplays(engine: EngineUnderTest, count: number): Promise<number[]> {
  return (await times(count, engine.replay)).map((ms) => ms * 1000)
}

/**
 * Resident memory after each of ten equal shares of `operations`, in MiB, after a collection. Flat: the last share adds
 * nothing that the first ones did not.
 */
export async function engineMemory(engine: EngineUnderTest, operations: number, concurrent: number): Promise<number[]> {
  const shares: number[] = []
  for (let share = 0; share < 10; share += 1) {
    await rate(operations / 10, concurrent, engine.first)
    globalThis.gc?.()
    shares.push(process.memoryUsage().rss / 2 ** 20)
  }
  return shares
}
