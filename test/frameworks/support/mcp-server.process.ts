/**
 * An MCP server over Streamable HTTP whose tool `charge` performs an effect and may then lose the answer (503). It says of
 * the tool that it is not idempotent. Prints its port; ends with its parent's standard input.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Message {
  readonly id?: number | string
  readonly method: string
  readonly params: {
    readonly protocolVersion?: string
    readonly arguments?: { readonly order: string }
    readonly _meta?: Readonly<Record<string, unknown>>
  }
}

const effects = new Map<string, number>()
const done = new Map<string, string>()
let plan = { failures: 0, honours: true, answersError: false, unauthorized: 0 }

async function text(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

const TOOL = {
  name: 'charge',
  inputSchema: { type: 'object', properties: { order: { type: 'string' }, amount: { type: 'number' } } },
  annotations: { destructiveHint: true, idempotentHint: false },
}

const server = createServer((request, response) => {
  void (async () => {
    const [, area, ref = ''] = (request.url ?? '/').split('/')
    const body = await text(request)
    if (area === 'plan') {
      plan = JSON.parse(body) as typeof plan
      return response.end('{}')
    }
    if (area === 'effects') return response.end(String(effects.get(decodeURIComponent(ref)) ?? 0))
    if (request.method !== 'POST') return response.writeHead(405).end()
    const message = JSON.parse(body) as Message
    const answer = (rest: object): void => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...rest }))
    }
    if (message.id === undefined) return response.writeHead(202).end()
    if (message.method === 'initialize')
      return answer({
        result: {
          protocolVersion: message.params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: 'payments', version: '1' },
        },
      })
    if (message.method === 'tools/list') return answer({ result: { tools: [TOOL] } })
    if (message.method !== 'tools/call') return answer({ error: { code: -32601, message: 'no such method' } })
    if (plan.unauthorized > 0) {
      plan = { ...plan, unauthorized: plan.unauthorized - 1 }
      return response.writeHead(401).end()
    }
    const order = message.params.arguments?.order ?? ''
    const key = request.headers['idempotency-key'] ?? message.params._meta?.['io.onefold/idempotency-key']
    const known = plan.honours && typeof key === 'string' ? done.get(key) : undefined
    if (known === undefined) {
      effects.set(order, (effects.get(order) ?? 0) + 1)
      if (typeof key === 'string') done.set(key, order)
    }
    if (plan.failures > 0) {
      plan = { ...plan, failures: plan.failures - 1 }
      return response.writeHead(503).end('gateway timeout')
    }
    answer({
      result: { content: [{ type: 'text', text: 'charged' }], ...(plan.answersError ? { isError: true } : {}) },
    })
  })()
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.stdin.resume().on('end', () => process.exit(0))
