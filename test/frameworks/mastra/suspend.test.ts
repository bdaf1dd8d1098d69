import { Mastra } from '@mastra/core/mastra'
import { InMemoryStore } from '@mastra/core/storage'
import { createTool } from '@mastra/core/tools'
import { createStep, createWorkflow } from '@mastra/core/workflows'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { protectStep, protectTool } from '../../../src/adapter/mastra/index.ts'
import { keyed, manual } from '../../../src/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { charge } from '../support/scenario.ts'

let downstream: Downstream
beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(() => {})
  downstream = await startDownstream()
})
afterAll(() => downstream.close())

const act = (order: string) => charge(downstream, { order, amount: 1 })
const answer = z.object({ approved: z.boolean() })

/** A workflow of one step that asks a person, before its effect or after it. */
function workflowOf(
  order: string,
  asks: 'first' | 'last',
  recovery: ReturnType<typeof keyed> | ReturnType<typeof manual>,
) {
  const guard = testGuard()
  const step = createStep({
    id: 'pay',
    inputSchema: z.object({}),
    outputSchema: z.any(),
    resumeSchema: answer,
    suspendSchema: z.object({ question: z.string() }),
    execute: protectStep(
      guard,
      async ({
        resumeData,
        suspend,
      }: {
        resumeData?: z.infer<typeof answer>
        suspend: (payload: { question: string }) => Promise<unknown>
      }) => {
        if (asks === 'last') await act(order)
        if (resumeData?.approved !== true) return await suspend({ question: 'Really?' })
        return asks === 'first' ? await act(order) : 'charged'
      },
      { name: 'pay', recovery },
    ) as never,
  })
  const workflow = createWorkflow({ id: 'pay-flow', inputSchema: z.object({}), outputSchema: z.any() })
    .then(step)
    .commit()
  const mastra = new Mastra({ workflows: { pay: workflow }, storage: new InMemoryStore(), logger: false })
  return { guard, workflow: mastra.getWorkflow('pay'), step }
}

describe('a step that suspends', () => {
  it.each([
    ['before its effect, manual', 'first', manual(), 'success', 'committed'],
    ['before its effect, keyed', 'first', keyed('24h'), 'success', 'committed'],
    ['after its effect, keyed: the same key again', 'last', keyed('24h'), 'success', 'committed'],
    ['after its effect, manual: a doubt', 'last', manual(), 'failed', 'in-doubt'],
  ] as const)('%s', async (title, asks, recovery, status, state) => {
    const order = `suspend-${title.length}`
    await downstream.honoursKeys(recovery.class === 'keyed')
    const { guard, workflow, step } = workflowOf(order, asks, recovery)
    const run = await workflow.createRun()
    const first = await run.start({ inputData: {} })
    // In doubt already: nobody is asked in vain.
    expect(first.status).toBe(status === 'failed' ? 'failed' : 'suspended')
    if (status === 'success') {
      const end = await run.resume({ step: step.id as never, resumeData: { approved: true } })
      expect(end.status).toBe(status)
    }
    expect(await downstream.effects(order)).toBe(1)
    expect((await guard.ledger.list({})).records.map((record) => record.state)).toEqual([state])
    await guard.close()
  })
})

it('a tool that suspends has no result yet, and acts once when it is resumed', async () => {
  const guard = testGuard()
  const make = protectTool(guard, createTool, { charge: { identity: ['order'], recovery: manual() } })
  const tool = make({
    id: 'charge',
    description: 'c',
    inputSchema: z.object({ order: z.string() }),
    execute: async ({ order }, context) => {
      if (context.agent?.resumeData === undefined) return await context.agent?.suspend({ question: 'Really?' })
      return await act(order)
    },
  })
  const asked: unknown[] = []
  const call = (resumeData?: unknown) =>
    tool.execute?.({ order: 'tool' }, {
      agent: {
        agentId: 'a',
        toolCallId: 'call-1',
        messages: [],
        suspend: async (what: unknown) => void asked.push(what),
        resumeData,
      },
    } as never)
  await downstream.honoursKeys(false)
  expect(await call()).toBeUndefined()
  expect(asked).toEqual([{ question: 'Really?' }])
  expect(await downstream.effects('tool')).toBe(0)
  await call({ approved: true })
  await call({ approved: true })
  expect(await downstream.effects('tool')).toBe(1)
})
