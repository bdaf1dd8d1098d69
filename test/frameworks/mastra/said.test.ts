import { Mastra } from '@mastra/core/mastra'
import { InMemoryStore } from '@mastra/core/storage'
import { createStep, createWorkflow } from '@mastra/core/workflows'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { protectStep } from '../../../src/adapter/mastra/index.ts'
import { manual } from '../../../src/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { charge } from '../support/scenario.ts'

let downstream: Downstream
beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(() => {})
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

interface Given {
  readonly inputData: { readonly order: string; readonly request: number }
  readonly state: object
  readonly setState: (state: object) => Promise<void>
  readonly bail: (result: unknown) => unknown
  readonly abort: () => void
}

/** What a step may say to its workflow, what becomes of the workflow, and whether its next step acts. */
const SAYINGS = [
  ['bail', async ({ bail }: Given) => bail({ stopped: true }), ['success', { stopped: true }], 0],
  ['abort', async ({ abort }: Given) => abort(), ['canceled', undefined], 0],
  ['setState', async ({ state, setState }: Given) => await setState({ ...state, paid: true }), ['success'], 1],
  ['nothing', async () => ({ '$onefold.step': 'a result like any other' }), ['success'], 1],
] as const

describe.each(SAYINGS)('a step that says %s to its workflow', (name, say, [status, result], goesOn) => {
  it('says it again in a repeat: the workflow goes the same way, with its own state', async () => {
    const order = `said-${name}`
    const guard = testGuard()
    const schemas = { inputSchema: z.any(), outputSchema: z.any(), stateSchema: z.any() }
    const pay = createStep({
      ...schemas,
      id: 'pay',
      execute: protectStep(
        guard,
        async (given: Given) => {
          await charge(downstream, { order, amount: 1 })
          return await say(given)
        },
        { name: 'pay', recovery: manual(), identity: (input) => input.order },
      ) as never,
    })
    const after = createStep({
      ...schemas,
      id: 'next',
      execute: async ({ inputData, state }) => {
        await charge(downstream, { order: `${order}-next`, amount: 1 })
        return { inputData: inputData as unknown, state: state as unknown }
      },
    })
    const workflow = createWorkflow({ ...schemas, id: 'pay-flow' })
      .then(pay)
      .then(after)
      .commit()
    const mastra = new Mastra({ workflows: { pay: workflow }, storage: new InMemoryStore(), logger: false })
    const ends: unknown[] = []
    for (const request of [1, 2]) {
      const run = await mastra.getWorkflow('pay').createRun()
      const end = await run.start({ inputData: { order, request }, initialState: { request } })
      expect(end.status).toBe(status)
      ends.push((end as { readonly result?: unknown }).result)
    }
    const state = (request: number) => (name === 'setState' ? { request, paid: true } : { request })
    const inputData = name === 'nothing' ? { '$onefold.step': 'a result like any other' } : undefined
    expect(ends).toEqual(goesOn === 0 ? [result, result] : [1, 2].map((n) => ({ inputData, state: state(n) })))
    expect(await downstream.effects(order)).toBe(1)
    expect(await downstream.effects(`${order}-next`)).toBe(2 * goesOn)
    await guard.close()
  })
})
