import type { IncomingHttpHeaders } from 'node:http'
import { expect, it } from 'vitest'
import type { DeclaredTool } from '../../src/mcp/proxy/declared.ts'
import { answer, front, says, send, toolCall, upstream, type FrontOptions } from './fixtures/front.ts'
import { PATIENCE } from './fixtures/harness.ts'
import { post, textIn, told } from './fixtures/http-harness.ts'

const KEYED: DeclaredTool = {
  effect: 'write',
  identity: ['n'],
  recovery: { class: 'keyed', window: '24h', key: { in: '_meta' } },
}
const PROBED: DeclaredTool = {
  effect: 'write',
  identity: ['n'],
  recovery: { class: 'probe', settle: '0s', probe: { tool: 'find', arguments: {}, found: 'structuredContent.id' } },
}

/**
 * One caller's write loses its answer; another one asks for something else; then the proxy settles the write by itself.
 * @returns the headers of the proxy's own request
 */
async function settledAs(
  options: FrontOptions,
  alice: Readonly<Record<string, string>>,
  mallory: Readonly<Record<string, string>>,
): Promise<IncomingHttpHeaders> {
  let asked: IncomingHttpHeaders | undefined
  let isOpen = false
  let lost = (): void => undefined
  const server = await upstream((request, response, { id, params }) => {
    const name = params?.name
    if (name === 'other' || name === undefined) return answer(response, id, says('other'))
    if (!isOpen) {
      // Whoever asks while it is shut gets no answer: at first the caller, then the proxy itself.
      lost()
      return void response.destroy()
    }
    asked ??= request.headers
    answer(response, id, { result: { content: [], structuredContent: { id: 7 } } })
  })
  const proxy = await front(server.url, options)
  try {
    await new Promise<void>((resolve) => {
      lost = resolve
      void send(proxy.url, toolCall(1, 'pay', { n: 1 }), alice).catch(() => undefined)
    })
    await send(proxy.url, toolCall(1, 'other'), mallory)
    isOpen = true
    await expect.poll(() => asked, { timeout: 20_000 }).toBeDefined()
    return asked ?? {}
  } finally {
    await proxy.close()
    await server.close()
  }
}

it.each([
  ['a re-send', KEYED],
  ['a probe', PROBED],
] as const)(
  '%s carries the header that names the principal, and the one that names the tenant',
  async (_, pay) => {
    const options = { tools: { pay }, principal: { header: 'x-user' }, tenantHeader: 'x-org' }
    const alice = { 'x-user': 'alice', 'x-org': 'blue', 'x-region': 'eu' }
    expect(await settledAs(options, alice, { 'x-user': 'mallory', 'x-org': 'blue' })).toMatchObject(alice)
  },
  PATIENCE.timeout,
)

it(
  'one principal of two tenants is two callers: neither is asked for with the credentials of the other',
  async () => {
    const options = { tools: { pay: KEYED }, principal: { header: 'x-user' }, tenantHeader: 'x-org' }
    const as = (org: string) => ({ 'x-user': 'admin', 'x-org': org, authorization: `Bearer ${org}` })
    expect(await settledAs(options, as('blue'), as('red'))).toMatchObject(as('blue'))
  },
  PATIENCE.timeout,
)

it(
  'a name that ends like the run of another principal is nobody’s run',
  async () => {
    let effects = 0
    const server = await upstream((_request, response, { id }) => answer(response, id, says(`n${(effects += 1)}`)))
    const PAY: DeclaredTool = { effect: 'write', identity: ['n'], scope: 'run', recovery: { class: 'manual' } }
    const proxy = await front(server.url, { tools: { pay: PAY }, principal: { header: 'x-user' } })
    const pay = async (user: string, run: string): Promise<string> => {
      const headers = { 'x-user': user, 'onefold-run': run }
      return textIn(await told(await send(proxy.url, toolCall(1, 'pay', { n: 1 }), headers)))
    }
    try {
      expect(await pay('bob', 'a/run:b')).toBe('n1')
      expect(await pay('bob/run:a', 'b')).toBe('n2')
      expect(await pay('bob%2Frun:a', 'b')).toBe('n3')
      expect(await pay('bob', 'a/run:b'), 'control: a repeat').toBe('n1')
      expect(effects).toBe(3)
    } finally {
      await proxy.close()
      await server.close()
    }
  },
  PATIENCE.timeout,
)

it.each([
  ['nothing that the proxy knows tells apart', { tools: { pay: PROBED } }],
  ['the operator does not tell apart', { tools: { pay: PROBED }, principal: 'none' as const }],
])(
  'callers whom %s are not asked for with the credentials of each other',
  async (_, options) => {
    const as = (name: string) => ({ 'x-auth-token': name, 'private-token': name })
    expect(await settledAs(options, as('alice'), as('mallory'))).toMatchObject(as('alice'))
  },
  PATIENCE.timeout,
)

it.each(['eu', ' Zürich'])(
  'a re-send repeats in headers what the tool says of its arguments: %j',
  async (region) => {
    const header = region === 'eu' ? 'eu' : `=?base64?${Buffer.from(region).toString('base64')}?=`
    const seen: (string | undefined)[] = []
    const inputSchema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }
    const server = await upstream((request, response, { id, method }) => {
      if (method === 'tools/list') return answer(response, id, { result: { tools: [{ name: 'pay', inputSchema }] } })
      const given = request.headers['mcp-param-region'] as string | undefined
      seen.push(given)
      // As version 2 of the official SDK does.
      if (given !== header) return void response.writeHead(400).end('{"error":{"code":-32020,"message":"Bad Request"}}')
      if (seen.length === 1) return void response.writeHead(500).end()
      answer(response, id, says('paid'))
    })
    const proxy = await front(server.url, { tools: { pay: KEYED } })
    try {
      const alice = { authorization: 'Bearer alice' }
      await send(proxy.url, { id: 1, method: 'tools/list', params: {} }, alice)
      await post(proxy.url, 2, 'pay', { n: 1, region }, { headers: { ...alice, 'mcp-param-region': header } })
      const states = async () => (await proxy.guard.ledger.list({})).records.map(({ state }) => state)
      await expect.poll(states, { timeout: 20_000 }).toEqual(['committed'])
      expect(seen).toEqual([header, header])
    } finally {
      await proxy.close()
      await server.close()
    }
  },
  PATIENCE.timeout,
)
