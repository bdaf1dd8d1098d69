import { createServer, type IncomingMessage, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Send, SendPort } from '../engine/index.ts'
import { downstreamFetch } from './index.ts'

let server: Server
let url: string
const seen: IncomingMessage[] = []
beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request)
    if (request.url?.startsWith('/lose') === true) return void response.destroy()
    response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

function port(overrides: Partial<SendPort> = {}): SendPort & { readonly sends: Send[] } {
  const sends: Send[] = []
  return {
    tool: 't',
    recovery: undefined,
    checked: false,
    tenant: 'default',
    run: 'run-1',
    sequenceKey: undefined,
    lineage: undefined,
    checkpoint: () => {},
    beforeUnseen: () => {},
    downstreamKey: (_provider, operation, ordinal) => `${operation} #${ordinal}`,
    gave: () => {},
    holdsKey: () => false,
    carries: () => {},
    opened: () => {
      const send: Send = { state: 'unsent' }
      sends.push(send)
      return send
    },
    used: () => false,
    signal: new AbortController().signal,
    sends,
    ...overrides,
  }
}

describe('ctx.fetch', () => {
  it('carries the key on writes only, one per request of the operation, and the run', async () => {
    const it = port()
    const send = downstreamFetch()(it)
    seen.length = 0
    await send(`${url}/a`, { method: 'POST' })
    await send(`${url}/a`, { method: 'POST' })
    await send(`${url}/b`, { method: 'PATCH', headers: { 'idempotency-key': 'own' } })
    await send(`${url}/a`)
    expect(seen.map((request) => request.headers['idempotency-key'])).toEqual([
      'POST /a #0',
      'POST /a #1',
      'own',
      undefined,
    ])
    expect(seen.every((request) => request.headers['onefold-run'] === 'run-1')).toBe(true)
    const answered = { state: 'answered', status: 200 }
    expect(it.sends).toEqual([answered, answered, answered, { ...answered, isRead: true }])
  })

  const form = (item: string, file = 'x'): FormData => {
    const made = new FormData()
    made.set('item', item)
    made.set('file', new Blob([file]), 'receipt.pdf')
    return made
  }

  it.each([
    ['another query', '?item=1', '?item=2', undefined, undefined],
    ['another form', '', '', form('1'), form('2')],
    ['another file', '', '', form('1'), form('1', 'longer')],
  ])('after a request that failed, %s is another request; the same is its retry', async (_what, a, b, first, other) => {
    const send = downstreamFetch()(port())
    const keyOf = async (search: string, body: FormData | undefined): Promise<unknown> => {
      seen.length = 0
      const made = send(`${url}/lose${search}`, { method: 'POST', ...(body === undefined ? {} : { body }) })
      await expect(made).rejects.toThrow('fetch failed')
      return seen[0]?.headers['idempotency-key']
    }
    const keys = [await keyOf(a, first), await keyOf(b, other), await keyOf(a, first), await keyOf(b, other)]
    expect(keys).toEqual(['POST /lose #0', 'POST /lose #1', 'POST /lose #0', 'POST /lose #1'])
  })

  it('a form that an SDK encodes itself, with a boundary of its own at each try, keeps its key', async () => {
    const send = downstreamFetch()(port())
    const keyOf = async (boundary: string, item: string): Promise<unknown> => {
      seen.length = 0
      const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
      const text = `--${boundary}\r\n\r\n${item}\r\n--${boundary}--`
      for (const body of [text, Buffer.from(text)])
        await expect(send(`${url}/lose`, { method: 'POST', headers, body })).rejects.toThrow('fetch failed')
      return seen.map((request) => request.headers['idempotency-key'])
    }
    expect(await keyOf('one', 'A')).toEqual(['POST /lose #0', 'POST /lose #0'])
    expect(await keyOf('two', 'B')).toEqual(['POST /lose #1', 'POST /lose #1'])
    expect(await keyOf('three', 'A')).toEqual(['POST /lose #0', 'POST /lose #0'])
  })

  it('tells sent from not sent', async () => {
    const it = port()
    const send = downstreamFetch()(it)
    await expect(send(`${url}/lose`, { method: 'POST' })).rejects.toThrow('fetch failed')
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port: free } = closed.address() as AddressInfo
    closed.close()
    await once(closed, 'close')
    await expect(send(`http://127.0.0.1:${free}/`, { method: 'POST' })).rejects.toThrow('fetch failed')
    expect(it.sends.map((one) => one.state)).toEqual(['sent', 'unsent'])
  })

  it('sends nothing once the attempt may no longer send', async () => {
    seen.length = 0
    const it = port({
      checkpoint: () => {
        throw new Error('too late')
      },
    })
    await expect(downstreamFetch()(it)(`${url}/a`, { method: 'POST' })).rejects.toThrow('too late')
    expect([seen.length, it.sends.map((one) => one.state)]).toEqual([0, ['unsent']])
  })
})
