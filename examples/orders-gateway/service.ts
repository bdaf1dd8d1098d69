/**
 * An order service that does its work and then loses every other answer, as networks do. It honours an Idempotency-Key on
 * payments only. What it counts is what happened: GET /count.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface Shop {
  readonly url: string
  /** Orders, payments and mails so far. */
  count(): { readonly orders: number; readonly payments: number; readonly mails: number }
  close(): Promise<void>
}

type Order = { readonly id: string; readonly cart: string }

export async function openShop(): Promise<Shop> {
  const orders: Order[] = []
  const payments = new Map<string, string>()
  let mails = 0
  let writes = 0

  /** Performs a request, and says what its answer is. */
  function perform(path: string, body: Record<string, string>, key: string | undefined): object {
    if (path === '/v1/orders') {
      const order = { id: `order-${orders.length + 1}`, cart: String(body['cart']) }
      orders.push(order)
      return { order }
    }
    if (path === '/v1/payments') {
      const known = payments.get(key ?? '')
      const payment = known ?? `payment-${payments.size + 1}`
      payments.set(key ?? payment, payment)
      return { payment }
    }
    mails += 1
    return { mail: mails }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://shop')
    response.setHeader('content-type', 'application/json')
    if (request.method === 'GET') {
      const order = orders.find(({ cart }) => cart === url.searchParams.get('cart')) ?? null
      return void response.end(JSON.stringify({ order }))
    }
    const key = request.headers['idempotency-key']
    const answer = perform(url.pathname, JSON.parse(await textOf(request)) as Record<string, string>, key?.toString())
    writes += 1
    if (writes % 2 === 1) return void request.socket.destroy()
    response.writeHead(201).end(JSON.stringify(answer))
  }

  const server = createServer((request, response) => void handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => ({ orders: orders.length, payments: payments.size, mails }),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
