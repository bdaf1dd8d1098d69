import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import axios from 'axios'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { manual, type ToolContext, type WriteOptions } from '../../src/contract/index.ts'
import { attemptReport, clearAttempts, type AttemptReport } from '../../src/downstream/index.ts'
import { runFrom, type Guard } from '../../src/engine/index.ts'
import { install } from '../../src/register/install.ts'
import { testGuard } from '../support/guard.ts'
import { startService, type Service } from './fixtures/service.ts'

const input = z.object({ n: z.number() })
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

function toolOf(work: (context: ToolContext) => unknown, options: Partial<WriteOptions<typeof input, unknown>> = {}) {
  guard = testGuard({ settings: { leaseMs: 30_000, heartbeatMs: 10_000 } })
  return guard.tool({
    name: 'writes',
    input,
    effect: 'write',
    identity: ['n'],
    recovery: manual(),
    execute: (_input, context) => work(context),
    ...options,
  })
}

const runApp = (name: string, flags: readonly string[], attempts = 'stderr'): Promise<{ readonly stderr: string }> =>
  promisify(execFile)(
    process.execPath,
    ['-C', 'onefold-source', ...flags, file('./fixtures/app.process.ts'), service.url, name],
    { env: { ...process.env, ONEFOLD_ATTEMPTS: attempts } },
  )
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

describe('node --import onefold/register', () => {
  it('leaves the exit code to the program, also where its report cannot be written', { timeout: 20_000 }, async () => {
    guard = testGuard()
    // Rejects for any exit code but 0.
    const { stderr } = await runApp(
      'unwritable',
      ['--import', file('../../src/register/index.ts')],
      '/no/such/folder/x',
    )
    expect(stderr).toContain('onefold: the report of attempts cannot be written: ENOENT')
    expect((await service.seen('unwritable-own')).requests).toBeGreaterThan(0)
  })

  it('keys, counts and reports an application that was not changed [AG-2][AG-6]', { timeout: 20_000 }, async () => {
    guard = testGuard()
    const { stderr } = await runApp('app', ['--import', file('../../src/register/index.ts')])
    const [stripe, plain, own, fetched, model] = await Promise.all(
      ['app-stripe', 'app-axios', 'app-own', 'app-fetch', 'app-model'].map((id) => service.seen(id)),
    )
    expect(stripe).toMatchObject({ requests: 3, effects: 1 })
    expect(new Set(stripe?.keys).size).toBe(1)
    expect(stripe?.keys[0]).not.toMatch(/^stripe-node-retry/)
    expect([...(plain?.keys ?? []), ...(fetched?.keys ?? [])]).toEqual(
      Array(2).fill(expect.stringMatching(/^[\da-f-]{36}$/)),
    )
    expect(own?.keys).toEqual(['my-own'])
    expect(plain?.runs).toEqual(['app-run'])
    expect(model).toMatchObject({ requests: 3, keys: [null, null, null], runs: [null, null, null] })
    expect(stderr).toContain('5 requests were wanted, 9 were made (1.8 for each)')
    expect(stderr).toMatch(/\(run\) {2}openai [\d.]+ → 127\.0\.0\.1:\d+: 1 wanted, 3 made/)
    expect(stderr).toMatch(/pay {2}stripe [\d.]+ → 127\.0\.0\.1:\d+: 1 wanted, 3 made/)
  })

  it('without it, the same application makes three effects of one', { timeout: 20_000 }, async () => {
    guard = testGuard()
    const { stderr } = await runApp('plain', [])
    const { requests, effects, keys } = await service.seen('plain-stripe')
    expect([requests, effects, new Set(keys).size, stderr]).toEqual([3, 3, 3, ''])
  })

  it('refuses to start with a setting that it does not understand', async () => {
    guard = testGuard()
    const started = promisify(execFile)(
      process.execPath,
      ['-C', 'onefold-source', '--import', file('../../src/register/index.ts'), '-e', ''],
      { env: { ...process.env, ONEFOLD_RETRIES_CALL: 'many' } },
    )
    await expect(started).rejects.toThrow('ONEFOLD_RETRIES_CALL')
  })
})

describe('onefold/register in a process', () => {
  it('counts what ctx.fetch sends once, and changes nothing of it', async () => {
    uninstall = install()
    const tool = toolOf(async (context) => {
      await (await context.fetch(`${service.url}/both/ok`, { method: 'POST' })).text()
      await (await fetch(`${service.url}/both/ok`, { method: 'POST' })).text()
    })
    await tool({ n: 1 })
    const { keys, effects } = await service.seen('both')
    expect([new Set(keys).size, effects]).toEqual([2, 2])
    const rows = attemptReport().rows.filter((row) => row.client === 'fetch')
    expect(rows).toMatchObject([{ tool: 'writes', calls: 1, requests: 2, attempts: 2 }])
  })

  it.each([
    ['register', () => axios.post(`${service.url}/odd-register/503-after`, {}).catch(() => undefined)],
    [
      'ctx.fetch',
      (context: ToolContext) => context.fetch(`${service.url}/odd-ctx.fetch/503-after`, { method: 'POST' }),
    ],
  ])('a run whose name no header can hold has its key on every attempt, by %s', async (by, send) => {
    uninstall = install()
    const tool = toolOf(async (context) => {
      for (let n = 0; n < 3; n += 1) await send(context)
    })
    await guard.run({ id: 'заказ\n17' }, () => tool({ n: 1 }))
    const { keys, effects, runs } = await service.seen(`odd-${by}`)
    expect([keys.length, new Set(keys).size, effects]).toEqual([3, 1, 1])
    expect(runFrom({ 'onefold-run': runs[0] })).toEqual({ id: 'заказ\n17' })
  })

  it('leaves headers that a client has written down, and hosts that are to be ignored', async () => {
    uninstall = install({ ignore: ['localhost'] })
    const tool = toolOf(async () => {
      const request = httpRequest(`${service.url}/array/ok`, {
        method: 'POST',
        headers: ['host', 'x', 'content-length', '2'],
      })
      request.end('{}')
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      response.resume()
      await once(response, 'end')
      await (await fetch(`http://localhost:${service.port}/ignored/ok`, { method: 'POST' })).text()
    })
    await tool({ n: 1 })
    expect((await service.seen('array')).keys).toEqual([null])
    expect((await service.seen('ignored')).keys).toEqual([null])
    const row = attemptReport().rows.filter(({ tool: name }) => name === 'writes')
    expect(row).toMatchObject([{ attempts: 1, keyless: 1 }])
  })

  it('stops a write once the attempt’s deadline is over', async () => {
    uninstall = install()
    let last: unknown
    let ended: () => void = () => {}
    const end = new Promise<void>((resolve) => (ended = resolve))
    const tool = toolOf(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 120))
        await axios.post(`${service.url}/too-late/ok`, {}).catch((error: unknown) => (last = error))
        ended()
      },
      { timeout: '40ms' },
    )
    await tool({ n: 1 }).catch(() => undefined)
    await end
    expect((await service.seen('too-late')).requests).toBe(0)
    expect(last).toMatchObject({ code: 'CANCELLED' })
  })

  it('proves "not sent" for clients that know nothing of it, where the tool declares that it sends nothing else', async () => {
    uninstall = install()
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    await once(closed, 'close')
    const plain = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.end('not TLS')))
    plain.listen(0, '127.0.0.1')
    await once(plain, 'listening')
    const secure = `https://127.0.0.1:${(plain.address() as AddressInfo).port}/`
    for (const sends of ['checked', 'unchecked'] as const) {
      for (const send of [
        () => axios.post(secure, {}), // connected, but no TLS: no byte of the request left
        () => fetch(secure, { method: 'POST' }),
        () => axios.post(`http://127.0.0.1:${port}/`, {}),
        () => axios.post(`http://127.0.0.1:${port}/`, {}, { adapter: 'fetch' }),
        () => fetch(`http://127.0.0.1:${port}/`, { method: 'POST' }),
      ]) {
        const tool = toolOf(send, { sends })
        await tool({ n: 1 }).catch(() => undefined)
        const { state } = (await guard.ledger.list({})).records[0] ?? {}
        expect([sends, state]).toEqual([sends, sends === 'checked' ? 'released' : 'in-doubt'])
        await guard.close()
      }
    }
    plain.close()
  })

  it.each([
    ['a time-out', () => axios.post(`${service.url}/http-slow/slow:300`, {}, { timeout: 50 })],
    ['a cut socket', () => axios.post(`${service.url}/http-cut/reset`, {})],
  ])('does not take %s for "not sent"', async (_name, send) => {
    uninstall = install()
    const tool = toolOf(send, { sends: 'checked' })
    await tool({ n: 1 }).catch(() => undefined)
    expect((await guard.ledger.list({})).records[0]?.state).toBe('in-doubt')
  })

  it('stops counting when it is taken off', async () => {
    install()()
    const tool = toolOf(() => axios.post(`${service.url}/off/ok`, {}).then(() => undefined))
    await tool({ n: 1 })
    expect((await service.seen('off')).keys).toEqual([null])
    expect(attemptReport() satisfies AttemptReport).toMatchObject({ attempts: 0, amplification: 1 })
  })
})
