import { expect } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import { bench, type Bench, type BenchOptions, type OrderInput, type Verb } from './bench.ts'
import type { TableHandle } from './table.ts'

type Work = (input: OrderInput, table: TableHandle, context: ToolContext) => unknown

/** An engine whose store has transactions. */
export const onTable = (options: BenchOptions = {}): Bench =>
  bench({ ...options, guarantees: { transactions: true, ...options.guarantees } })

/** A transactional tool that writes a row and then does `more`. */
export const toolOf = (b: Bench, more: Work = () => undefined, options: Partial<Record<string, unknown>> = {}) =>
  b.tool({
    recovery: { class: 'transactional' },
    execute: async (input: OrderInput, context: ToolContext) => {
      const table = context.transaction as TableHandle
      table.insert(input.ref)
      await more(input, table, context)
      return { id: 1, ref: input.ref }
    },
    ...options,
  })

/** Fails the first `times` calls of a verb on its way there, or back. */
export function fail(b: Bench, where: 'request' | 'answer', verb: Verb, error: () => Error, times = Infinity): void {
  let left = times
  b.trouble[where] = (called: Verb) => {
    if (called === verb && left-- > 0) throw error()
  }
}

export const lostCommit = (): OnefoldError =>
  new OnefoldError('STORE_UNAVAILABLE', 'no answer', { retryable: true, details: { applied: 'unknown' } })

/**
 * Two engines and one operation, whose row is written once and whose answer both get: where `trouble` says so, the other
 * one does it first, over a lapsed claim.
 */
export async function expectOvertaken(
  trouble: (other: () => Promise<void>) => (verb: Verb) => Promise<void> | undefined,
): Promise<void> {
  const a = onTable()
  const b = onTable({ beside: a, self: 'host/boot/2/2' })
  const there = toolOf(b)
  const here = toolOf(a)
  a.trouble.request = trouble(async () => {
    a.time.pause(60_000)
    await b.until(there({ ref: 'a' }))
  })
  expect(await a.until(here.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', replayed: true })
  expect(a.table.rows('a')).toBe(1)
}
