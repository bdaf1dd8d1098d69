import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyed, manual } from '../../../src/index.ts'
import { onefoldFetch } from '../../../src/downstream/public.ts'
import type { KeyedWithoutProbe, ManualRecovery } from '../../../src/contract/index.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { startDownstream, type Downstream, type Fault } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'

/** What the model asks the tool `charge` for. */
export type ChargeInput = { readonly order: string; readonly amount: number }
export type Charged = { readonly id: string; readonly ref: string }

/** The contract of `charge`, as an adapter takes it. */
export type ChargeContract = {
  readonly identity: readonly ['order']
  readonly amount: 'amount'
  readonly recovery: KeyedWithoutProbe | ManualRecovery
}

/** Where one scenario plays. */
export interface World {
  /** Undefined in the control run. */
  readonly guard: Guard | undefined
  /** Undefined in the control run, and where the tool is left without a contract. */
  readonly contract: ChargeContract | undefined
  /** The order that the scenario is about; its effects are counted at the downstream. */
  readonly order: string
  readonly input: ChargeInput
  readonly downstream: Downstream
  /** The tool's work: one POST to the downstream, which performs the effect. */
  charge(input: ChargeInput, init?: RequestInit): Promise<Charged>
  /** Inside a run in a protected world; just the work in the control. */
  run<T>(work: () => Promise<T>): Promise<T>
}

export interface Scenario {
  readonly title: string
  /** What the downstream does to the first requests. */
  readonly faults: readonly Fault[]
  /** Effects without protection: the control, which has to show the duplicate. */
  readonly before: number
  readonly act: (world: World) => Promise<unknown>
}

/** The downstream's work, with the key of the operation that is executing, if there is one. */
export async function charge(downstream: Downstream, input: ChargeInput, init: RequestInit = {}): Promise<Charged> {
  const response = await onefoldFetch()(`${downstream.url}/effects/${encodeURIComponent(input.order)}`, {
    method: 'POST',
    body: JSON.stringify(input),
    ...init,
  })
  if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status })
  return (await response.json()) as Charged
}

let worlds = 0

/** A world on a running downstream; `contract` undefined leaves the tool undeclared. */
export function worldOn(downstream: Downstream, guard?: Guard, contract?: ChargeContract): World {
  const order = `order-${++worlds}`
  return {
    guard,
    contract,
    order,
    input: { order, amount: 100 },
    downstream,
    charge: (input, init) => charge(downstream, input, init),
    run: (work) => (guard === undefined ? work() : guard.run({ id: `run-of-${order}` }, work)),
  }
}

const VARIANTS = [
  { name: 'a downstream that honours keys', honours: true, recovery: keyed('24h') },
  { name: 'a downstream that ignores keys', honours: false, recovery: manual() },
  { name: 'no contract at all', honours: false, recovery: undefined },
] as const

/**
 * Plays every scenario unprotected first, which must show the documented duplicate, and then protected in each variant:
 * exactly one effect, which the ledger knows as done or lists as a doubt.
 */
export function beforeAndAfter(framework: string, scenarios: readonly Scenario[]): void {
  let downstream: Downstream
  beforeAll(async () => {
    downstream = await startDownstream()
  })
  afterAll(async () => {
    await downstream?.close()
  })
  describe.each(scenarios)(`${framework}: $title`, ({ faults, before, act }) => {
    it(`happens ${before} times without protection`, async () => {
      const world = worldOn(downstream)
      await downstream.plan(world.order, ...faults)
      await act(world)
      expect(await downstream.effects(world.order)).toBe(before)
    })

    it.each(VARIANTS)('happens once with $name', async ({ honours, recovery }) => {
      await downstream.honoursKeys(honours)
      const guard = testGuard()
      try {
        const contract: ChargeContract | undefined =
          recovery === undefined ? undefined : { identity: ['order'], amount: 'amount', recovery }
        const world = worldOn(downstream, guard, contract)
        await downstream.plan(world.order, ...faults)
        await act(world)
        expect(await downstream.effects(world.order)).toBe(1)
        const { records } = await guard.ledger.list()
        expect(records.map(({ state }) => state)).toEqual([expect.stringMatching(/^(committed|in-doubt)$/)])
      } finally {
        await guard.close()
        await downstream.honoursKeys(true)
      }
    })
  })
}
