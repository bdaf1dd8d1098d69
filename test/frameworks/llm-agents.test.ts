import { ChatOpenAI } from '@langchain/openai'
import { Agent, OpenAIChatCompletionsModel, run, setTracingDisabled } from '@openai/agents'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Guard } from '../../src/engine/index.ts'
import { llmFetch, type Sample } from '../../src/llm/index.ts'
import { testGuard } from '../support/guard.ts'
import { startProvider, type Provider } from './support/provider.ts'

let provider: Provider
let guard: Guard
let counted: Sample[]
beforeAll(async () => {
  setTracingDisabled(true)
  provider = await startProvider()
})
afterAll(async () => await provider.close())
beforeEach(() => {
  guard = testGuard()
  counted = []
})
afterEach(async () => await guard.close())

interface Options {
  readonly isProtected: boolean
  readonly timeoutMs?: number
}

const fetchOf = ({ isProtected }: Options): { fetch?: typeof fetch } =>
  isProtected ? { fetch: llmFetch(guard, { onSample: (sample) => void counted.push(sample) }) } : {}

const langChain = (options: Options): ChatOpenAI =>
  new ChatOpenAI({
    model: 'm',
    apiKey: 'x',
    maxRetries: 2,
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    configuration: { baseURL: `${provider.url}/v1`, ...fetchOf(options) },
  })

const agentOf = (options: Options): Agent => {
  const client = new OpenAI({
    apiKey: 'x',
    baseURL: `${provider.url}/v1`,
    maxRetries: 2,
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...fetchOf(options),
  })
  return new Agent({ name: 'a', instructions: 'x', model: new OpenAIChatCompletionsModel(client as never, 'm') })
}

async function textOf(pieces: AsyncIterable<string>, most = Infinity): Promise<string> {
  let [text, count] = ['', 0]
  for await (const piece of pieces) {
    text += piece
    if ((count += 1) === most) break
  }
  return text
}

/** Each framework's way to ask a model, in one piece and as a stream of pieces. */
const FRAMEWORKS = {
  LangChain: {
    ask: async (prompt: string, options: Options) => (await langChain(options).invoke(prompt)).text,
    stream: async function* (prompt: string, options: Options) {
      for await (const chunk of await langChain(options).stream(prompt)) if (chunk.text !== '') yield chunk.text
    },
  },
  'OpenAI Agents': {
    ask: async (prompt: string, options: Options) => String((await run(agentOf(options), prompt)).finalOutput),
    stream: async function* (prompt: string, options: Options) {
      const result = await run(agentOf(options), prompt, { stream: true })
      for await (const text of result.toTextStream()) if (text !== '') yield text
    },
  },
}

describe.each(Object.entries(FRAMEWORKS))('%s with llmFetch', (_name, { ask, stream }) => {
  it('a client that gives up before the provider answers: one sample, and the original call succeeds [AG-4]', async () => {
    await provider.plan({ delayMs: 250 })
    await expect(ask('hi', { isProtected: false, timeoutMs: 100 })).rejects.toThrow(/time|abort/i)
    expect(await provider.samples()).toBe(3)
    await provider.plan({ delayMs: 250 })
    const answer = await guard.run({ id: 'r' }, () => ask('hi', { isProtected: true, timeoutMs: 100 }))
    expect(answer).toBe('answer-1')
    expect(await provider.samples()).toBe(1)
    expect(counted).toHaveLength(1)
  })

  it('a run that is started again reads the same answer, streamed or not, from one sample each [AG-4]', async () => {
    await provider.plan({})
    const options = { isProtected: true }
    const again = <T>(work: () => Promise<T>): Promise<T> => guard.run({ id: 'r' }, work)
    const first = await again(() => ask('hi', options))
    expect(await again(() => ask('hi', options))).toBe(first)
    const streamed = await again(() => textOf(stream('hi', options)))
    expect(await again(() => textOf(stream('hi', options)))).toBe(streamed)
    expect(await provider.samples()).toBe(2)
    expect(await guard.run({ id: 'other' }, () => ask('hi', options))).not.toBe(first)
  })

  it('a stream that is stopped and asked for again: the same prefix, which then goes on, and one sample [AG-4]', async () => {
    await provider.plan({ holdAfter: 4 })
    const options = { isProtected: true }
    const stopped = await guard.run({ id: 'r' }, () => textOf(stream('hi', options), 2))
    const again = guard.run({ id: 'r' }, () => textOf(stream('hi', options)))
    await provider.release()
    expect(stopped).toBe('s1.0 s1.1 ')
    expect(await again).toBe('s1.0 s1.1 s1.2 s1.3 s1.4 s1.5 ')
    expect(await provider.samples()).toBe(1)
  })
})
