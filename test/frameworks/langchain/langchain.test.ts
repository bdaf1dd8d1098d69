import { createAgent, toolRetryMiddleware } from 'langchain'
import { beforeAndAfter } from '../support/scenario.ts'
import { chargeTool } from './charge-tool.ts'
import { persistent, ScriptedModel, toolAnswers } from './model.ts'

const user = { messages: [{ role: 'user', content: 'charge the order' }] }
/** As `[toolRetryMiddleware()]`, but for the waiting; LangChain's types do not fit `exactOptionalPropertyTypes`. */
const retrying = (): never[] => [toolRetryMiddleware({ initialDelayMs: 5, jitter: false })] as never[]

beforeAndAfter('LangChain', [
  {
    title: 'createAgent: the answer is lost, the model reads an error and calls again',
    faults: ['lose-answer'],
    before: 2,
    act: (world) => {
      const model = new ScriptedModel(persistent([['charge', world.input]]))
      return world.run(() => createAgent({ model, tools: [chargeTool(world)] }).invoke(user))
    },
  },
  {
    title: 'toolRetryMiddleware() with its defaults: the tool times out twice, the model never learns',
    faults: ['hold', 'hold'],
    before: 3,
    act: async (world) => {
      const model = new ScriptedModel(persistent([['charge', world.input]]))
      const agent = createAgent({ model, tools: [chargeTool(world, 80)], middleware: retrying() })
      await world.run(() => agent.invoke(user))
      await world.downstream.release(world.order)
    },
  },
  {
    title: 'the whole run is retried after step 2 failed, without a checkpointer',
    faults: [],
    before: 2,
    act: async (world) => {
      let breaks = 1
      const model = new ScriptedModel((messages) => {
        if (toolAnswers(messages).length === 0) return [['charge', world.input]]
        if (breaks-- > 0) throw new Error('the model answers 500')
        return 'Done.'
      })
      const attempt = (): Promise<unknown> =>
        world.run(() => createAgent({ model, tools: [chargeTool(world)] }).invoke(user))
      await attempt().catch(attempt)
    },
  },
])
