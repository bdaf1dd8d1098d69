import { Agent, run, RunState, setTracingDisabled, tool, type Model } from '@openai/agents'
import { beforeAll } from 'vitest'
import * as z from 'zod'
import { protectTool } from '../../../src/adapter/openai-agents/index.ts'
import { beforeAndAfter, type World } from '../support/scenario.ts'
import { persistent, scriptedModel, type Call } from './model.ts'

beforeAll(() => setTracingDisabled(true))

const isSuccess = (answer: string): boolean => answer.includes('effect-')
const callOf = ({ input }: World): Call => ['charge', input]

/** The user's own agent, as it was before Onefold but for the factory. */
function agentOf({ guard, contract, charge }: World, model: Model, options: object = {}) {
  const make = guard === undefined ? tool : protectTool(guard, tool, { charge: contract }, { warn: () => {} })
  const chargeTool = make({
    name: 'charge',
    description: 'Charges an order',
    parameters: z.object({ order: z.string(), amount: z.number() }),
    execute: (input) => charge(input),
    ...options,
  })
  return new Agent({ name: 'orders', instructions: 'Charge.', model, tools: [chargeTool] })
}

beforeAndAfter('OpenAI Agents', [
  {
    title: 'the answer is lost, the SDK says "Please try again.", the model calls again',
    faults: ['lose-answer'],
    before: 2,
    act: (world) => {
      const model = scriptedModel(persistent([callOf(world)], isSuccess))
      return world.run(() => run(agentOf(world, model), 'charge'))
    },
  },
  {
    title: 'timeoutMs: the model reads a time-out while the call goes on and succeeds',
    faults: ['hold'],
    before: 2,
    act: (world) => {
      const told: string[] = []
      const model = scriptedModel(persistent([callOf(world)], isSuccess, told))
      // The service answers once the SDK has given the first call up.
      const releasing: Model = {
        ...model,
        getResponse: async (request) => {
          const response = await model.getResponse(request)
          if (told.length > 0) await world.downstream.release(world.order)
          return response
        },
      }
      return world.run(() => run(agentOf(world, releasing, { timeoutMs: 250 }), 'charge'))
    },
  },
  {
    title: 'the whole run is retried after turn 2 failed',
    faults: [],
    before: 2,
    act: async (world) => {
      let breaks = 1
      const model = scriptedModel((answers) => {
        if (answers.length === 0) return [callOf(world)]
        if (breaks-- > 0) throw new Error('the model answers 500')
        return 'Done.'
      })
      const attempt = (): Promise<unknown> => world.run(() => run(agentOf(world, model), 'charge'))
      await attempt().catch(attempt)
    },
  },
  {
    title: 'a saved RunState is approved and resumed twice',
    faults: [],
    before: 2,
    act: async (world) => {
      const model = scriptedModel(persistent([callOf(world)], isSuccess))
      const agent = agentOf(world, model, { needsApproval: true })
      const saved = (await world.run(() => run(agent, 'charge'))).state.toString()
      for (let posted = 0; posted < 2; posted += 1) {
        const state = await RunState.fromString(agent, saved)
        for (const interruption of state.getInterruptions()) state.approve(interruption)
        await world.run(() => run(agent, state))
      }
    },
  },
])
