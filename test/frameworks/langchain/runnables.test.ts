import { RunnableLambda } from '@langchain/core/runnables'
import { createAgent } from 'langchain'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { protectTools } from '../../../src/adapter/langchain/index.ts'
import { onefoldFetch } from '../../../src/downstream/public.ts'
import { manual } from '../../../src/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { beforeAndAfter, charge, type ChargeInput } from '../support/scenario.ts'
import { persistent, ScriptedModel, type Told } from './model.ts'

let downstream: Downstream
beforeAll(async () => (downstream = await startDownstream()))
afterAll(() => downstream.close())

const user = { messages: [{ role: 'user', content: 'charge it' }] }
const quiet = { warn: () => {} }

const inputSchema = z.object({ order: z.string(), amount: z.number().default(1) })

/** A runnable that was made a tool: LangChain takes it among an agent's tools, and it has no function of its own. */
const chargeTool = (work: (input: ChargeInput) => Promise<unknown>) =>
  RunnableLambda.from(async (input: ChargeInput) => JSON.stringify(await work(input))).asTool({
    name: 'charge',
    description: 'charges an order',
    schema: inputSchema as unknown as z.ZodType<ChargeInput, ChargeInput>,
  })

beforeAndAfter('LangChain with a runnable as a tool', [
  {
    title: 'the answer is lost, and the run is tried again',
    faults: ['lose-answer'],
    before: 2,
    act: async ({ guard, contract, charge: work, run, input }) => {
      const own = chargeTool(work)
      const tools = guard === undefined ? [own] : protectTools(guard, [own], { charge: contract }, quiet)
      const model = () => new ScriptedModel(persistent([['charge', input]]))
      const attempt = () => run(() => createAgent({ model: model(), tools }).invoke(user))
      await attempt().catch(attempt)
    },
  },
])

describe('a runnable as a tool', () => {
  const contracts = { charge: { identity: ['order'], recovery: manual() } } as const
  const act = (input: ChargeInput) => charge(downstream, input)

  it('is shown its arguments as its schema makes them, and answers a repeat as the first time', async () => {
    const seen: unknown[] = []
    const own = chargeTool(async (input) => {
      seen.push(input)
      return await act(input)
    })
    const told: Told[] = []
    const [tool] = protectTools(testGuard(), [own], contracts)
    for (const _ of [1, 2])
      await createAgent({
        model: new ScriptedModel(persistent([['charge', { order: 'parsed' }]], told)),
        tools: [tool],
      }).invoke(user)
    expect(seen).toEqual([{ order: 'parsed', amount: 1 }])
    expect(told).toHaveLength(2)
    expect(told[1]).toEqual(told[0])
    expect(await downstream.effects('parsed')).toBe(1)
  })

  it('refuses arguments that its schema does not take before anything begins: a corrected call runs', async () => {
    const guard = testGuard()
    const [tool] = protectTools(guard, [chargeTool(act)], contracts)
    const call = (args: object) => tool.invoke({ type: 'tool_call', name: 'charge', id: 'c', args } as never)
    expect(await call({ order: 'corrected', amount: 'one' })).toMatch(/input of charge is not valid: \$\.amount/)
    expect(await call({ order: 'corrected', amount: 1 })).toContain('"ref":"corrected"')
    expect(await downstream.effects('corrected')).toBe(1)
  })

  it('tells the model of a doubt in our words alone, and is handed back where it is protected twice', async () => {
    const guard = testGuard()
    await downstream.plan('doubted', 'lose-answer')
    const own = chargeTool(async ({ order }) => {
      const answer = await onefoldFetch()(`${downstream.url}/effects/${order}`, { method: 'POST' })
      return await answer.json()
    })
    const once = protectTools(guard, [own], contracts)
    expect(protectTools(guard, once)[0]).toBe(once[0])
    const told: Told[] = []
    const model = new ScriptedModel(persistent([['charge', { order: 'doubted' }]], told))
    await guard.run({ id: 'doubted' }, () => createAgent({ model, tools: once }).invoke(user))
    expect(told.map(({ content }) => content)).toEqual([
      expect.stringMatching(/^The outcome of charge is unknown.*Do not call it again/) as string,
    ])
    expect(told[0]?.content).not.toContain('Please')
    expect(await downstream.effects('doubted')).toBe(1)
  })

  it('that only reads is the same object as before', () => {
    const own = chargeTool(act)
    expect(protectTools(testGuard(), [own], { charge: 'read' })[0]).toBe(own)
  })
})
