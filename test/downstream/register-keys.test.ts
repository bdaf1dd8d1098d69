import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import axios from 'axios'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, type ToolContext } from '../../src/contract/index.ts'
import { attemptReport, clearAttempts } from '../../src/downstream/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { install } from '../../src/register/install.ts'
import { testGuard } from '../support/guard.ts'
import { thrice } from './fixtures/clients.ts'
import { startService, type Service } from './fixtures/service.ts'

let service: Service
let guard: Guard
let uninstall: () => void
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())
beforeEach(() => {
  guard = testGuard({ settings: { leaseMs: 30_000, heartbeatMs: 10_000 } })
  uninstall = install({ budget: { call: 2 } })
})
afterEach(async () => {
  uninstall()
  await guard.close()
  clearAttempts()
})

/** Does `work` once, as a tool. */
const asTool = (work: (context: ToolContext) => Promise<unknown>): Promise<unknown> =>
  guard.tool({
    name: 'writes',
    input: z.object({ n: z.number() }),
    effect: 'write',
    identity: ['n'],
    recovery: keyed('24h'),
    execute: async (_input, context) => void (await work(context)),
  })({ n: 1 })

describe('a request that is redirected to its own path at another origin', () => {
  /** Sends everything on to the service, as a host that has moved does. */
  async function moved(work: (url: string) => Promise<void>): Promise<void> {
    const server = createServer((request, response) => {
      request.resume()
      response.writeHead(307, { location: `${service.url}${request.url ?? ''}` }).end('moved')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await work(`http://localhost:${(server.address() as AddressInfo).port}`)
    server.closeAllConnections()
    server.close()
  }

  it.each([
    ['axios', async (url: string) => void (await axios.post(url, {}))],
    ['fetch', async (url: string) => succeeded(await fetch(url, { method: 'POST', body: '{}' }))],
  ])('is one request there and at every retry, and no retry by itself, by %s', async (name, send) => {
    await moved((url) => asTool(() => thrice(() => send(`${url}/moved-${name}/503-after`))).then(() => undefined))
    const { keys, effects } = await service.seen(`moved-${name}`)
    expect([keys.length, new Set(keys).size, effects]).toEqual([3, 1, 1])
    const rows = attemptReport().rows.filter(({ tool }) => tool === 'writes')
    expect(rows.map(({ attempts, refused }) => [attempts, refused])).toEqual([
      [3, 0],
      [3, 0],
    ])
  })

  it('also where the tool follows it by itself', async () => {
    await moved((url) =>
      asTool(({ fetch: send }) =>
        thrice(async () => {
          const { headers } = await send(`${url}/moved-tool/503-after`, { method: 'POST', body: '{}' })
          await succeeded(await send(headers.get('location') ?? '', { method: 'POST', body: '{}' }))
        }),
      ).then(() => undefined),
    )
    const { keys, effects } = await service.seen('moved-tool')
    expect([keys.length, new Set(keys).size, effects]).toEqual([3, 1, 1])
  })
})

describe('an answer whose rest nobody wants', () => {
  it.each([
    ['cancelled', async (url: string, body: string) => (await fetch(url, { method: 'POST', body })).body?.cancel()],
    [
      'destroyed',
      async (url: string, body: string) => {
        ;(await axios.post<Readable>(url, body, { responseType: 'stream' })).data.destroy()
        await sleep(20)
      },
    ],
  ])('is an answer: the next request has a key of its own, when it is %s', async (how, send) => {
    await asTool(async () => {
      for (let n = 1; n <= 3; n += 1) await send(`${service.url}/${how}/open`, `{"n":${n}}`)
    })
    expect(await service.seen(how)).toMatchObject({ requests: 3, effects: 3 })
  })

  it('the same where it is never read, and collected', { timeout: 20_000 }, async () => {
    const program = fileURLToPath(new URL('./fixtures/unread.process.ts', import.meta.url))
    await promisify(execFile)(process.execPath, ['--expose-gc', '-C', 'onefold-source', program, service.url])
    expect(await service.seen('unread')).toMatchObject({ requests: 3, effects: 3 })
  })

  it('the same by ctx.fetch', async () => {
    await asTool(async (context) => {
      for (let n = 1; n <= 3; n += 1) {
        const { body } = await context.fetch(`${service.url}/ctx-open/open`, { method: 'POST', body: '{}' })
        await body?.cancel()
      }
    })
    expect(await service.seen('ctx-open')).toMatchObject({ requests: 3, effects: 3 })
  })

  it.each([
    [
      'fetch',
      (url: string) => fetch(url, { method: 'POST', signal: AbortSignal.timeout(50) }).then((one) => one.text()),
    ],
    ['axios', async (url: string) => (await axios.post<string>(url, '', { timeout: 50 })).data],
  ])('but one that a time-out ends is not: its repeat is a retry, by %s', async (name, send) => {
    await asTool(() => thrice(() => send(`${service.url}/out-${name}/open`)).catch(() => undefined))
    expect(await service.seen(`out-${name}`)).toMatchObject({ requests: 3, effects: 1 })
  })

  it('nor does the end of a failed attempt’s answer reopen what a later one has settled', async () => {
    await asTool(async () => {
      const unread: Response[] = []
      const send = async (body: string): Promise<void> => {
        const response = await fetch(`${service.url}/late/503-open`, { method: 'POST', body })
        if (response.ok) return void (await response.text())
        unread.push(response)
        throw new Error(`HTTP ${response.status}`)
      }
      await thrice(() => send('{"n":1}'))
      for (const { body } of unread) await body?.cancel()
      await send('{"n":2}')
    })
    const { keys, effects } = await service.seen('late')
    expect([keys.length, new Set(keys).size, effects]).toEqual([4, 2, 2])
  })
})

async function succeeded(response: Response): Promise<void> {
  await response.text()
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
}
