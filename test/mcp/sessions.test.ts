import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stdioBackend } from '../../src/mcp/index.ts'
import { front, send, toolCall, type Front } from './fixtures/front.ts'
import { PATIENCE } from './fixtures/harness.ts'
import { receiptIn, told } from './fixtures/http-harness.ts'

/** Answers everything, tells of a change of its list after each ping, asks an address where it is called, and ends with its input. */
const SERVER = `
  require('node:readline').createInterface({ input: process.stdin }).on('close', () => process.exit()).on('line', async (line) => {
    const { id, method, params } = JSON.parse(line)
    if (id === undefined) return
    if (method === 'tools/call') await fetch(params.arguments.at)
    console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
    if (method === 'ping') console.log('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
  })`

describe('sessions of a stdio server behind HTTP', PATIENCE, () => {
  let proxy: Front
  beforeAll(async () => {
    proxy = await front(new URL('http://localhost'), {
      backend: (context) =>
        stdioBackend({
          ...context,
          command: process.execPath,
          args: ['-e', SERVER],
          env: process.env,
          cwd: undefined,
          stderr: process.stderr,
          tell: () => undefined,
          sessions: 2,
        }),
    })
  }, PATIENCE.timeout)
  afterAll(async () => await proxy.close())
  const kept = new AbortController()

  const open = async (): Promise<Response> => {
    const response = await send(proxy.url, { id: 0, method: 'initialize', params: {} })
    await response.text()
    return response
  }
  const within = (response: Response) => ({ 'mcp-session-id': response.headers.get('mcp-session-id') ?? '' })
  const ping = async (session: Response): Promise<number> => {
    const response = await send(proxy.url, { id: 1, method: 'ping' }, within(session))
    await response.text()
    return response.status
  }
  const listen = async (session: Response, signal: AbortSignal): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
    const headers = { accept: 'text/event-stream', ...within(session) }
    return (await fetch(proxy.url, { headers, signal })).body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
  }

  it('a stream that replaces another one goes on hearing when the older connection closes', async () => {
    const session = await open()
    const old = new AbortController()
    const first = await listen(session, old.signal)
    const second = await listen(session, kept.signal)
    old.abort()
    await expect(first.read()).rejects.toThrow(/abort/)
    await ping(session)
    expect(Buffer.from((await second.read()).value ?? []).toString()).toContain('list_changed')
    // The proxy learns of a closed connection when it learns of it: whatever is told then must be heard as well.
    await ping(session)
    expect(Buffer.from((await second.read()).value ?? []).toString()).toContain('list_changed')
    await fetch(proxy.url, { method: 'DELETE', headers: within(session) })
  })

  it('a client that ends its session leaves what has started to go on into the ledger', async () => {
    const [session, other] = [await open(), await open()]
    let release = (): void => undefined
    let acting = (): void => undefined
    const arrived = new Promise<void>((resolve) => (acting = resolve))
    const downstream = createServer((_request, response) => {
      release = () => response.end()
      acting()
    })
    await new Promise<void>((resolve) => void downstream.listen(0, '127.0.0.1', resolve))
    const at = `http://127.0.0.1:${(downstream.address() as AddressInfo).port}/`
    const lost = send(proxy.url, toolCall(2, 'act', { at }), within(session))
    await arrived
    expect((await fetch(proxy.url, { method: 'DELETE', headers: within(session) })).status).toBe(200)
    expect([await ping(session), await ping(other)]).toEqual([404, 200])
    const again = send(proxy.url, toolCall(2, 'act', { at }), within(other))
    release()
    for (const call of [lost, again]) expect(receiptIn(await told(await call))).toMatchObject({ attempts: 1 })
    expect((await proxy.guard.ledger.list({})).records).toMatchObject([{ state: 'committed' }])
    await fetch(proxy.url, { method: 'DELETE', headers: within(other) })
    downstream.closeAllConnections()
    downstream.close()
  })

  it('clients that went away make room: the session that is silent for longest ends, one that is listened to stays', async () => {
    const one = await open()
    await listen(one, kept.signal)
    const two = await open()
    const three = await open()
    expect([two.status, three.status]).toEqual([200, 200])
    expect([await ping(one), await ping(two), await ping(three)]).toEqual([200, 404, 200])
    await listen(three, kept.signal)
    expect((await open()).status).toBe(429)
  })
})
