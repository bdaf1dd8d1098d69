import Anthropic from '@anthropic-ai/sdk'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAI as createOpenAI6 } from '@ai-sdk/openai-6'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { anthropicFetch } from '../../src/adapter/anthropic/index.ts'
import { protectModel } from '../../src/adapter/ai-sdk/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { llmFetch, type Sample } from '../../src/llm/index.ts'
import { testGuard } from '../support/guard.ts'
import { MAJORS } from './support/ai-sdk.ts'
import { startProvider, type Provider } from './support/provider.ts'

let provider: Provider
let guard: Guard
let counted: Sample[]
beforeAll(async () => {
  provider = await startProvider()
})
afterAll(async () => await provider.close())
beforeEach(() => {
  guard = testGuard()
  counted = []
})
afterEach(async () => await guard.close())

/** One way to ask the provider: `fetch` undefined is the control. */
interface Client {
  readonly name: string
  ask(prompt: string, options: AskOptions): Promise<string>
  /** Reads a stream, at most `most` pieces of it. */
  stream(prompt: string, options: AskOptions & { readonly most?: number }): Promise<string>
}
interface AskOptions {
  readonly isProtected: boolean
  readonly timeoutMs?: number
  readonly occurrence?: number
}

const onSample = (sample: Sample): void => void counted.push(sample)
const timed = (timeoutMs: number | undefined): { timeout?: number } =>
  timeoutMs === undefined ? {} : { timeout: timeoutMs }
const headersFor = ({ occurrence }: AskOptions): { headers?: Record<string, string> } =>
  occurrence === undefined ? {} : { headers: { 'onefold-occurrence': String(occurrence) } }

const openai = (options: AskOptions): OpenAI =>
  new OpenAI({
    apiKey: 'x',
    baseURL: `${provider.url}/v1`,
    maxRetries: 2,
    ...timed(options.timeoutMs),
    ...(options.isProtected ? { fetch: llmFetch(guard, { onSample }) } : {}),
  })

const anthropic = (options: AskOptions): Anthropic =>
  new Anthropic({
    apiKey: 'x',
    baseURL: provider.url,
    maxRetries: 2,
    ...timed(options.timeoutMs),
    ...(options.isProtected ? { fetch: anthropicFetch(guard, { onSample }) } : {}),
  })

const clients: readonly Client[] = [
  {
    name: 'openai',
    ask: async (content, options) => {
      const answer = await openai(options).chat.completions.create(
        { model: 'm', messages: [{ role: 'user', content }] },
        headersFor(options),
      )
      return answer.choices[0]?.message.content ?? ''
    },
    stream: async (content, { most = Infinity, ...options }) => {
      let [text, pieces] = ['', 0]
      const stream = await openai(options).chat.completions.create(
        { model: 'm', messages: [{ role: 'user', content }], stream: true },
        headersFor(options),
      )
      for await (const event of stream) {
        text += event.choices[0]?.delta.content ?? ''
        if ((pieces += 1) === most) break
      }
      return text
    },
  },
  {
    name: 'anthropic',
    ask: async (content, options) => {
      const answer = await anthropic(options).messages.create(
        { model: 'm', max_tokens: 9, messages: [{ role: 'user', content }] },
        headersFor(options),
      )
      return answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
    },
    stream: async (content, { most = Infinity, ...options }) => {
      let [text, pieces] = ['', 0]
      const stream = await anthropic(options).messages.create(
        { model: 'm', max_tokens: 9, messages: [{ role: 'user', content }], stream: true },
        headersFor(options),
      )
      for await (const event of stream) {
        if (event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') continue
        text += event.delta.text
        if ((pieces += 1) === most) break
      }
      return text
    },
  },
  ...MAJORS.flatMap(({ name, major, ai }): Client[] => {
    const create = (major === 7 ? createOpenAI : createOpenAI6) as typeof createOpenAI
    const plainModel = (): ReturnType<ReturnType<typeof createOpenAI>['chat']> =>
      create({ apiKey: 'x', baseURL: `${provider.url}/v1` }).chat('m')
    const ways = [
      {
        way: 'protectModel',
        modelOf: ({ isProtected }: AskOptions) =>
          isProtected ? protectModel(guard, plainModel(), { onSample }) : plainModel(),
      },
      {
        way: 'llmFetch',
        modelOf: ({ isProtected }: AskOptions) =>
          isProtected
            ? create({ apiKey: 'x', baseURL: `${provider.url}/v1`, fetch: llmFetch(guard, { onSample }) }).chat('m')
            : plainModel(),
      },
    ]
    return ways.map(({ way, modelOf }) => ({
      name: `${name}, ${way}`,
      // The AI SDK tries again only what its application tries again: its time-out ends the whole call.
      ask: async (prompt, options) => {
        for (let attempt = 0; ; attempt += 1) {
          try {
            const signal =
              options.timeoutMs === undefined ? {} : { abortSignal: AbortSignal.timeout(options.timeoutMs) }
            const { text } = await ai.generateText({
              model: modelOf(options),
              prompt,
              maxRetries: 0,
              ...headersFor(options),
              ...signal,
            })
            return text
          } catch (error) {
            if (attempt === 2 || options.timeoutMs === undefined) throw error
            await new Promise((resolve) => setTimeout(resolve, 300))
          }
        }
      },
      stream: async (prompt, { most = Infinity, ...options }) => {
        let [text, pieces] = ['', 0]
        const stop = new AbortController()
        const { textStream } = ai.streamText({
          model: modelOf(options),
          prompt,
          ...headersFor(options),
          abortSignal: stop.signal,
        })
        for await (const piece of textStream) {
          text += piece
          if ((pieces += 1) === most) break
        }
        stop.abort()
        return text
      },
    }))
  }),
]

describe.each(clients)('$name', (client) => {
  it('[AG-4] [AG-6] a client that gives up before the provider answers: one sample, and the original call succeeds', async () => {
    await provider.plan({ delayMs: 250 })
    await expect(client.ask('hi', { isProtected: false, timeoutMs: 100 })).rejects.toThrow(/timed out|timeout|abort/i)
    expect(await provider.samples()).toBe(3)
    await provider.plan({ delayMs: 250 })
    const answer = await guard.run({ id: 'r' }, () => client.ask('hi', { isProtected: true, timeoutMs: 100 }))
    expect(await provider.samples()).toBe(1)
    expect(answer).toMatch(/1/)
    expect(counted).toHaveLength(1)
  })

  it('[AG-4] a stream that is stopped and asked for again: the same prefix, which then goes on, and one sample', async () => {
    await provider.plan({})
    const [a, b] = [
      await client.stream('hi', { isProtected: false, most: 2 }),
      await client.stream('hi', { isProtected: false }),
    ]
    expect(b.startsWith(a)).toBe(false)
    await provider.plan({ holdAfter: 4 })
    const stopped = await guard.run({ id: 'r' }, () => client.stream('hi', { isProtected: true, most: 2 }))
    const again = guard.run({ id: 'r' }, () => client.stream('hi', { isProtected: true }))
    await provider.release()
    expect(stopped).toBe('s1.0 s1.1 ')
    expect(await again).toBe('s1.0 s1.1 s1.2 s1.3 s1.4 s1.5 ')
    await provider.release()
    expect(await provider.samples()).toBe(1)
    expect(counted).toHaveLength(1)
  })

  it('[AG-4] answers an equal call of the run from the ledger, streamed or not, and counts usage once', async () => {
    await provider.plan({})
    const id = 'r'
    const first = await guard.run({ id }, () => client.ask('hi', { isProtected: true }))
    expect(await guard.run({ id }, () => client.ask('hi', { isProtected: true }))).toBe(first)
    const streamed = await guard.run({ id }, () => client.stream('hi', { isProtected: true }))
    expect(await guard.run({ id }, () => client.stream('hi', { isProtected: true }))).toBe(streamed)
    expect(await provider.samples()).toBe(2)
    expect(counted.map(({ run, usage }) => [run, JSON.stringify(usage)])).toEqual([
      ['r', expect.stringMatching(/5/)],
      ['r', expect.stringMatching(/5/)],
    ])
    expect(await guard.run({ id }, (run) => run.receipt())).toMatchObject({ committed: [], running: [] })
  })

  it('another prompt, another run, a wanted occurrence and no run at all are new calls', async () => {
    await provider.plan({})
    const ask = (id: string, prompt: string, occurrence?: number): Promise<string> =>
      guard.run({ id }, () =>
        client.ask(prompt, { isProtected: true, ...(occurrence === undefined ? {} : { occurrence }) }),
      )
    const answers = [await ask('r', 'hi'), await ask('r', 'ho'), await ask('r2', 'hi'), await ask('r', 'hi', 2)]
    for (let time = 0; time < 2; time += 1) answers.push(await client.ask('hi', { isProtected: true }))
    expect(new Set(answers).size).toBe(6)
    expect(await provider.samples()).toBe(6)
    expect(await ask('r', 'hi', 2)).toBe(answers[3])
  })

  it('passes an error of the provider on and does not keep it', async () => {
    await provider.plan({ faults: ['refuse', 'refuse', 'refuse'] })
    const ask = (): Promise<string> => guard.run({ id: 'r' }, () => client.ask('hi', { isProtected: true }))
    await expect(ask()).rejects.toThrow(/boom/)
    await provider.plan({})
    expect(await ask()).toMatch(/1/)
  })

  it('passes an error in the middle of a stream on and does not keep it', async () => {
    await provider.plan({ faults: ['overloaded'] })
    const read = (): Promise<string> => guard.run({ id: 'r' }, () => client.stream('hi', { isProtected: true }))
    await read().catch(() => undefined)
    expect(await read()).toBe('s2.0 s2.1 s2.2 s2.3 s2.4 s2.5 ')
    expect(await provider.samples()).toBe(2)
  })
})

describe('llmFetch', () => {
  it('asks again after a stream that ended in order before its answer did', async () => {
    const begin = 'event: message_start\ndata: {"type":"message_start"}\n\n'
    const whole = `${begin}event: message_stop\ndata: {"type":"message_stop"}\n\n`
    const told = [begin, whole]
    const provider: typeof fetch = () =>
      Promise.resolve(new Response(told.shift(), { headers: { 'content-type': 'text/event-stream' } }))
    const ask = (): Promise<string> =>
      guard.run({ id: 'r' }, async () => {
        const body = JSON.stringify({ prompt: 'cut' })
        return await (await llmFetch(guard, { fetch: provider })('http://p.invalid', { method: 'POST', body })).text()
      })
    expect([await ask(), await ask(), await ask()]).toEqual([begin, whole, whole])
  })

  it.each([
    ['Messages', 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'],
    ['Chat Completions', 'data: {"error":{"type":"server_error"}}\n\n'],
    ['Responses', 'event: response.failed\ndata: {"type":"response.failed"}\n\n'],
  ])('asks again after a stream of %s that failed, also where the sign of it is cut in two', async (_api, failure) => {
    for (const at of [0, 9]) {
      let samples = 0
      const provider: typeof fetch = async () => {
        samples += 1
        const end = samples === 1 ? [failure.slice(0, at), failure.slice(at)] : ['data: {}\n\n']
        return new Response(ReadableStream.from(['data: {}\n\n', ...end].map((text) => Buffer.from(text))))
      }
      const ask = (): Promise<string> =>
        guard.run({ id: 'r' }, async () => {
          const body = JSON.stringify({ failure, at })
          return await (await llmFetch(guard, { fetch: provider })('http://p.invalid', { method: 'POST', body })).text()
        })
      await ask()
      expect(await ask()).toBe('data: {}\n\ndata: {}\n\n')
      expect(samples).toBe(2)
    }
  })
})
