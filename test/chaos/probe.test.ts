import { existsSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { probeEndpoint, type ProbeCheck } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/guard.ts'

const folder = temporaryFolder()
let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
  vi.unstubAllEnvs()
})

afterAll(() => folder.remove())

const connections = (): Promise<number> =>
  new Promise((resolve) => server?.getConnections((_error, count) => resolve(count)))

/** Probes a service of this process. */
async function probed(
  answer: RequestListener,
  count: () => number,
  body = '{{unique}}',
  host = '127.0.0.1',
): Promise<readonly ProbeCheck[]> {
  server = createServer(answer)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://${host}:${port}/orders`
  return await probeEndpoint({
    target: { kind: 'http', url, method: 'POST', headers: {}, body },
    count: () => Promise.resolve(count()),
    callers: 2,
    timeoutMs: 500,
  })
}

describe('a check whose repeats did not arrive has seen nothing', () => {
  it('a service that is gone after its first answer', async () => {
    let orders = 0
    const trial = probed(
      (_request, response) => {
        orders += 1
        response.end('ok', () => {
          server?.close()
          server?.closeAllConnections()
        })
      },
      () => orders,
      'the same each time, so that no effect at all is what is wanted',
    )
    await expect(trial).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringMatching(/"called twice" could not be made: nothing can be reached there \(ECONNREFUSED\)/),
    })
    expect(orders).toBe(1)
  })

  it.each([
    ['hangs', () => undefined, /aborted due to timeout/],
    ['breaks off', (response: ServerResponse) => void response.destroy(), /it answers 502/],
    ['is behind a limit', (response: ServerResponse) => void response.writeHead(429).end(), /it answers 429/],
    ['is gone behind a proxy', (response: ServerResponse) => void response.writeHead(504).end(), /it answers 504/],
  ])('a service that %s after its first answer', async (_how, repeat, says) => {
    let orders = 0
    const trial = probed(
      (_request, response) => {
        if (orders > 0) return repeat(response)
        orders += 1
        response.end('ok')
      },
      () => orders,
      'the same each time',
    )
    await expect(trial).rejects.toMatchObject({ code: 'INPUT_INVALID', message: expect.stringMatching(says) })
    // Nothing is left that would hold the process: the service sees its callers go.
    await vi.waitFor(async () => expect(await connections()).toBe(0))
  })

  it('an address that is not written as it is sent', async () => {
    let orders = 0
    const checks = await probed(
      (_request, response) => void response.end(`${++orders}`),
      () => orders,
      undefined,
      '127.1',
    )
    expect(checks.map(({ effects }) => effects)).toEqual([2, 2, 2, 2, 2])
  })

  it('a repeat that is refused as one has arrived', async () => {
    let orders = 0
    const checks = await probed(
      (_request, response) => {
        if (orders > 0) return void response.writeHead(409).end()
        orders += 1
        response.end('ok')
      },
      () => orders,
      'the same each time',
    )
    expect(checks.every(({ ok }) => ok)).toBe(true)
  })

  it('an address that only redirects: the fault would meet the redirection', async () => {
    let orders = 0
    const trial = probed(
      (request, response) => {
        if (request.url === '/orders') return void response.writeHead(307, { location: '/orders/' }).end()
        orders += 1
        response.end('ok')
      },
      () => orders,
    )
    await expect(trial).rejects.toThrow('it redirects to /orders/; name that address')
    expect(orders).toBe(0)
  })

  it('an MCP server that does not start again after it was killed', { timeout: 60_000 }, async () => {
    await expect(noted('once', { ONCE: '1' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringMatching(/"answer broken off, called again" could not be made: .*did not start again/),
    })
  })
})

it('an effect that comes after its answer belongs to the check that made it', async () => {
  const seen = new Set<string>()
  let [orders, late] = [0, 0]
  const checks = await probed(
    (request, response) => {
      request.on('data', (chunk: Buffer) => {
        const body = String(chunk)
        if (seen.has(body)) late += 1
        else orders += 1
        seen.add(body)
        response.end('ok')
      })
    },
    // What a repeat does shows only when it is looked at for the second time.
    () => {
      const now = orders
      orders += late
      late = 0
      return now
    },
  )
  expect(checks.map(({ wanted, effects }) => [wanted, effects])).toEqual(Array.from({ length: 5 }, () => [1, 2]))
})

/** Probes the lasting MCP server; resolves to the process ids that it had. */
async function noted(
  name: string,
  env: Record<string, string> = {},
): Promise<{ checks: readonly ProbeCheck[]; pids: number[] }> {
  const [book, pids] = [join(folder.path, `${name}-book`), join(folder.path, `${name}-pids`)]
  for (const [key, value] of Object.entries({ BOOK: book, PIDS: pids, ...env })) vi.stubEnv(key, value)
  const program = fileURLToPath(new URL('./lasting-server.process.ts', import.meta.url))
  const lines = (file: string): string[] => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])
  const checks = await probeEndpoint({
    target: {
      kind: 'mcp',
      command: process.execPath,
      args: [program],
      tool: 'note',
      arguments: '{"ref":"{{unique}}"}',
    },
    count: (unique) => Promise.resolve(lines(book).filter((line) => line === unique).length),
    callers: 2,
    timeoutMs: 2_000,
  })
  return { checks, pids: lines(pids).map(Number) }
}

it('leaves no MCP server behind, and really ends the one that it kills', { timeout: 60_000 }, async () => {
  const { checks, pids } = await noted('lasting')
  // It remembers what it has done as long as it lives.
  expect(checks.map(({ effects }) => effects)).toEqual([1, 1, 1, 1, 2, 2])
  expect(pids).toHaveLength(3)
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})
