import { generateText, isStepCount, tool } from 'ai'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { protectTools } from '../../src/adapter/ai-sdk/index.ts'
import { keyed } from '../../src/index.ts'
import { onefoldFetch } from '../../src/downstream/public.ts'
import type { Guard } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { MAJORS, outputOf, scriptedModel, text, toolCall } from './support/ai-sdk.ts'

const send = onefoldFetch()
const stopWhen = isStepCount(4)
let downstream: Downstream
let store: ReturnType<typeof memoryStore>
let guard: Guard
beforeAll(async () => void (downstream = await startDownstream()))
afterAll(async () => await downstream.close())
beforeEach(() => {
  store = memoryStore()
  guard = testGuard({ store })
})
afterEach(async () => await guard.close())

/** Answers that get lost on their way; while one is held, its caller can leave. */
let lost = 0

/** As an application builds its tools in each request, around the user's account. */
const toolsOf = (account: string, on: Guard) =>
  protectTools(
    on,
    {
      refund: tool({
        inputSchema: z.object({ id: z.string(), why: z.string().optional() }),
        execute: async ({ id }) => {
          const answer = await send(`${downstream.url}/effects/${account}-${id}`, { method: 'POST', body: '{}' })
          if (lost-- > 0) throw new Error('the answer is lost')
          return await answer.text()
        },
      }),
    },
    { refund: { identity: ['id'], recovery: keyed('24h') } },
  )

/** One request of a user: an agent that refunds once. */
async function request(user: string, id: string, on: Guard, abortSignal?: AbortSignal): Promise<unknown> {
  const { model } = scriptedModel(MAJORS[0] as (typeof MAJORS)[number], (prompt) =>
    outputOf(prompt) === undefined ? [toolCall('refund', { id })] : [text('Done.')],
  )
  const options = abortSignal === undefined ? {} : { abortSignal }
  return await on.run({ id: `${user} ${id}`, tenant: user }, () =>
    generateText({ model, tools: toolsOf(user, on), stopWhen, prompt: 'go', ...options }),
  )
}

/** Resolves when an operation has come to a state. */
const comesTo = (on: Guard, state: string): Promise<void> =>
  new Promise((resolve) => void on.on('transition', ({ event }) => void (event.to === state && resolve())))

/** Effects in the account of each. */
const effects = async (id: string): Promise<readonly number[]> =>
  await Promise.all(['alice', 'bob'].map((account) => downstream.effects(`${account}-${id}`)))

/** Alice leaves while her refund is under way, Bob's request comes, and her answers are lost. */
async function aliceLeaves(id: string, answersLost: number): Promise<void> {
  lost = answersLost
  await downstream.plan(`alice-${id}`, 'hold')
  const left = new AbortController()
  const executing = comesTo(guard, 'executing')
  const hers = request('alice', id, guard, left.signal).catch(() => undefined)
  await executing
  left.abort()
  await hers
  toolsOf('bob', guard)
  const doubted = comesTo(guard, 'in-doubt')
  await downstream.release(`alice-${id}`)
  await doubted
}

describe('tools that are built anew for each caller', () => {
  it('settle a doubt with the tools of the caller who has it, never with those that another brought since', async () => {
    const committed = comesTo(guard, 'committed')
    await aliceLeaves('R-1', 1)
    await committed
    expect(await effects('R-1')).toEqual([1, 0])
  })

  it.each([
    ['of another tenant’s run', (on: Guard) => on.run({ tenant: 'bob' }, async () => void toolsOf('bob', on))],
    ['of two callers', async (on: Guard) => void [toolsOf('bob', on), toolsOf('carol', on)]],
  ])('leave it alone after a restart, while they are those %s, until its caller asks again', async (title, comes) => {
    await aliceLeaves(title, Infinity)
    await guard.close()
    const restarted = testGuard({ store })
    const seen: string[] = []
    restarted.on('transition', ({ event }) => void seen.push(event.to))
    await comes(restarted)
    for (let sweeps = 0; sweeps < 3; sweeps += 1) await restarted.internals.tick()
    expect(seen).toEqual([])
    lost = 0
    await request('alice', title, restarted)
    expect(await effects(title)).toEqual([1, 0])
    expect((await restarted.ledger.list({ tenant: 'alice' })).records.map(({ state }) => state)).toEqual(['committed'])
    await restarted.close()
  })

  it('leave it alone after a call that was refused for saying something else', async () => {
    await aliceLeaves('R-2', Infinity)
    await guard.close()
    const restarted = testGuard({ store })
    toolsOf('carol', restarted)
    const { refund } = toolsOf('bob', restarted)
    const input = { id: 'R-2', why: 'it came broken' }
    const call = { toolCallId: 'call_0', messages: [], context: undefined as never }
    await expect(
      restarted.run({ tenant: 'alice' }, async () => await refund.execute?.(input, call)),
    ).rejects.toMatchObject({ code: 'KEY_REUSED' })
    const seen: string[] = []
    restarted.on('transition', ({ event }) => void seen.push(event.to))
    for (let sweeps = 0; sweeps < 3; sweeps += 1) await restarted.internals.tick()
    await restarted.close()
    expect(seen).toEqual([])
    expect(await effects('R-2')).toEqual([1, 0])
  })
})
