import { expect, it } from 'vitest'
import type { Core } from './core.ts'
import { receiptOf } from './receipt.ts'
import { STATES, type OperationRecord, type State } from './record.ts'
import { newRun } from './run.ts'

const run = () => newRun({ id: 'r', tenant: 't', session: undefined, unanchored: false, mintedUnder: 0 })
const record = (tool: string, state: State, amount?: number): OperationRecord =>
  ({ key: `of1_${tool}`, tenant: 't', tool, state, amount, openSends: 0, evidence: [] }) as unknown as OperationRecord

/** A core whose ledger lists these records for the run, and has nothing else. */
const listing = (records: readonly OperationRecord[]): Core =>
  ({
    journal: {
      store: { list: async () => ({ records, next: undefined, now: 0 }) },
      withDeadline: (work: unknown) => work,
      read: () => ({ record: undefined, now: 0 }),
      refreshEpoch: async () => undefined,
      amnesia: () => undefined,
    },
  }) as unknown as Core

it.each([
  ['committed', ['committed', 'expired']],
  ['accepted', ['accepted']],
  ['inDoubt', ['in-doubt', 'recovering', 'abandoned']],
  ['running', ['claimed', 'executing', 'awaiting-input', 'compensating']],
] as const)('%s: what is %s', async (part, states) => {
  for (const state of states) {
    const receipt = await receiptOf(listing([record('x', state)]), run())
    const parts = { committed: [], accepted: [], inDoubt: [], cancelled: [], running: [] }
    const entry = { tool: 'x', key: 'of1_x', ticket: 'x', amount: undefined, state }
    expect(receipt).toEqual({ run: 'r', unanchored: false, ...parts, [part]: [entry] })
  }
})

it('every other state is one in which nothing happened, or what happened was undone', async () => {
  const { cancelled } = await receiptOf(listing(STATES.map((state) => record(state, state))), run())
  expect(cancelled.map(({ state }) => state)).toEqual(
    STATES.filter((state) => ['released', 'rejected', 'compensated'].includes(state)),
  )
})

it('turns, marks of near-duplicates and the package’s own operations are left out, their namesakes are not', async () => {
  const tools = ['near:pay', 'exclusive', 'onefold.saga', 'pay.near:', 'exclusive.pay', 'pay.onefold.']
  const { committed } = await receiptOf(listing(tools.map((tool) => record(tool, 'committed'))), run())
  expect(committed.map(({ tool }) => tool)).toEqual(['pay.near:', 'exclusive.pay', 'pay.onefold.'])
})

it('a call that the ledger knows is told with the ledger’s amount, one that it does not know with the call’s', async () => {
  const active = run()
  for (const tool of ['known', 'lost', 'onefold.own'])
    active.touched.set(`of1_${tool}`, { key: `of1_${tool}`, tenant: 't', tool, amount: 3 })
  const receipt = await receiptOf(listing([record('known', 'committed', 5)]), active)
  expect(receipt.committed.map(({ tool, amount }) => [tool, amount])).toEqual([['known', 5]])
  expect(receipt.cancelled.map(({ tool, amount, state }) => [tool, amount, state])).toEqual([['lost', 3, 'absent']])
})
