import { Agent as HttpAgent } from 'node:http'
import axios from 'axios'
import got from 'got'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { manual, type ToolContext } from '../../src/contract/index.ts'
import { attemptReport, clearAttempts } from '../../src/downstream/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { install } from '../../src/register/install.ts'
import { testGuard } from '../support/guard.ts'
import { CLIENTS, ok, thrice } from './fixtures/clients.ts'
import { startService, type Service } from './fixtures/service.ts'

/** SDKs wait up to a second between attempts. */
const PATIENT = { leaseMs: 30_000, heartbeatMs: 10_000, waitMs: 30_000 }

let service: Service
let guard: Guard
let uninstall: () => void = () => {}
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())
afterEach(async () => {
  uninstall()
  uninstall = () => {}
  await guard.close()
  clearAttempts()
})

/** A tool named `name` that does `work` once. */
const toolOf = (name: string, work: (context: ToolContext) => unknown) =>
  guard.tool({
    name,
    input: z.object({ n: z.number() }),
    effect: 'write',
    identity: ['n'],
    recovery: manual(),
    execute: async (_input, context) => void (await work(context)),
  })

const countedOf = (tool: string) => attemptReport().rows.filter((row) => row.tool === tool)

describe('what is counted is what arrived', () => {
  it('for every client configuration, all at once [AG-6]', { timeout: 20_000 }, async () => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install({ budget: { call: 100, run: 10_000 } })
    const rows = await Promise.all(
      CLIENTS.map(async ({ name, mode, call, attempts, client }, at) => {
        const tool = toolOf(`client_${at}`, () => call(`${service.url}/c${at}/${mode}`))
        await guard.run({ id: `run-${at}` }, () => tool({ n: at })).catch(() => undefined)
        const seen = await service.seen(`c${at}`)
        const counted = countedOf(`client_${at}`)
        const { length } = counted.filter((row) => client.test(row.client))
        return {
          what: `${name} (${mode})`,
          expected: attempts,
          arrived: seen.requests,
          counted: counted.reduce((sum, row) => sum + row.attempts, 0),
          wanted: counted.reduce((sum, row) => sum + row.requests, 0),
          clients: length === counted.length ? 'known' : counted.map((row) => row.client).join(),
          keys: new Set(seen.keys).size,
          run: seen.runs.every((run) => run === `run-${at}`),
        }
      }),
    )
    expect(rows.length).toBeGreaterThanOrEqual(28)
    expect(rows).toEqual(
      rows.map(({ what, expected }) => ({
        what,
        expected,
        arrived: expected,
        counted: expected,
        // A redirect's second request goes to another path.
        wanted: what.includes('redirect') ? 2 : 1,
        clients: 'known',
        keys: what.includes('redirect') ? 2 : 1,
        run: true,
      })),
    )
  })
  it('for 200 concurrent calls over four clients, none misattributed [AG-6]', { timeout: 20_000 }, async () => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install()
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 2 })
    const ways: readonly ((url: string) => Promise<unknown>)[] = [
      (url) => thrice(async () => await ok(await fetch(url, { method: 'POST', body: '{}' }))),
      (url) => thrice(() => axios.post(url, {}, { httpAgent: agent })),
      (url) => new OpenAI({ apiKey: 'x', baseURL: url }).chat.completions.create({ model: 'm', messages: [] }),
      (url) => thrice(() => got.post(url, { json: {}, retry: { limit: 0 } })),
    ]
    const strays = Array.from({ length: 20 }, (_, n) => fetch(`${service.url}/stray-${n}/ok`, { method: 'POST' }))
    const calls = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const tool = toolOf(`call_${n}`, () => ways[n % 4]?.(`${service.url}/call-${n}/503`))
        await guard.run({ id: `run-${n}` }, () => tool({ n }))
        const { requests, keys, runs } = await service.seen(`call-${n}`)
        const [counted] = countedOf(`call_${n}`)
        return { requests, counted: counted?.attempts, keys: new Set(keys), runs: new Set(runs), n }
      }),
    )
    await Promise.all(strays.map(async (stray) => await (await stray).text()))
    const wrong = calls.filter(
      ({ requests, counted, keys, runs, n }) =>
        requests !== 3 || counted !== 3 || keys.size !== 1 || runs.size !== 1 || !runs.has(`run-${n}`),
    )
    expect(wrong).toEqual([])
    expect(new Set(calls.flatMap(({ keys }) => [...keys])).size).toBe(200)
    expect(countedOf('(none)').filter((row) => row.client === 'fetch')).toMatchObject([{ attempts: 20 }])
    expect((await service.seen('stray-7')).keys).toEqual([null])
    agent.destroy()
  })

  it('for what a tool leaves running when it ends: that is nobody’s', async () => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install()
    let left: Promise<unknown> = Promise.resolve()
    const tool = toolOf('starts_a_timer', () => {
      left = new Promise((resolve) => setTimeout(resolve, 30)).then(() =>
        fetch(`${service.url}/exporter/ok`, { method: 'POST' }),
      )
    })
    await tool({ n: 1 })
    await left
    expect(countedOf('starts_a_timer')).toEqual([])
    expect((await service.seen('exporter')).keys).toEqual([null])
  })
})

describe('retry budgets', () => {
  it('stop a 3 × 3 storm before it is one, and say so [AG-6]', async () => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install()
    const client = new OpenAI({ apiKey: 'x', baseURL: `${service.url}/storm/never`, maxRetries: 2 })
    const tool = toolOf('storm', () => thrice(() => client.chat.completions.create({ model: 'm', messages: [] })))
    const error = await tool({ n: 1 }).catch((thrown: unknown) => thrown)
    expect((await service.seen('storm')).requests).toBe(6)
    const [row] = countedOf('storm')
    expect(row).toMatchObject({ requests: 1, attempts: 6, refused: 3, amplification: 6 })
    expect(codesOf(error)).toContain('RETRY_BUDGET_EXHAUSTED')
  })

  it('of a run hold over all its calls, and over a run that is retried', async () => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install({ budget: { run: 3 } })
    const work = (n: number) => () =>
      thrice(async () => await ok(await fetch(`${service.url}/run-${n}/never`, { method: 'POST', body: '{}' })))
    for (let n = 0; n < 3; n += 1) {
      await guard.run({ id: 'stormy' }, () => toolOf(`of_run_${n}`, work(n))({ n })).catch(() => undefined)
    }
    const seen = await Promise.all([0, 1, 2].map((n) => service.seen(`run-${n}`)))
    expect(seen.map(({ requests }) => requests)).toEqual([3, 2, 1])
  })

  it('leave reads alone, and requests of no run', async () => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install({ budget: { call: 0, run: 0 } })
    const read = async (url: string): Promise<void> => await thrice(async () => await ok(await fetch(url)))
    await toolOf('reads', () => read(`${service.url}/reads/503`))({ n: 1 })
    await thrice(async () => await ok(await fetch(`${service.url}/no-run/503`, { method: 'POST' })))
    expect((await service.seen('reads')).requests).toBe(3)
    expect((await service.seen('no-run')).requests).toBe(3)
  })

  it.each([
    ['fetch', (url: string) => fetch(url, { method: 'POST', body: '{}' })],
    ['node:http', (url: string) => axios.post(url, {})],
  ])('refuse over %s with the code in the cause, and no byte leaves', async (_name, send) => {
    guard = testGuard({ settings: PATIENT })
    uninstall = install({ budget: { call: 0 } })
    const url = `${service.url}/refused-${_name.length}/never`
    let second: unknown
    const tool = toolOf(`refused_${_name.length}`, async () => {
      await send(url).catch(() => undefined)
      await send(url).catch((error: unknown) => (second = error))
    })
    await tool({ n: 1 })
    expect((await service.seen(`refused-${_name.length}`)).requests).toBe(1)
    expect(codesOf(second)).toContain('RETRY_BUDGET_EXHAUSTED')
  })
})

/** The codes along an error's causes. */
function codesOf(error: unknown): readonly unknown[] {
  const codes: unknown[] = []
  for (let at = error; at instanceof Error && codes.length < 9; at = at.cause)
    codes.push((at as { code?: unknown }).code)
  return codes
}
