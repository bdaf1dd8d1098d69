import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { faultOf } from './faults.ts'
import { openBooks, type Books, type Entry, type Kind } from './shop-books.ts'

export interface ShopOptions {
  /** File of the shop's own database; must not exist. */
  readonly books: string
  readonly seed: number
}

/** A stalled answer comes this late, in milliseconds; its caller has given up by then. */
const STALL_MS = 2_000

/**
 * A small shop on a free loopback port: `POST /orders`, `/refunds` (honours Idempotency-Key), `/mails` (honours nothing),
 * `GET /orders/ID` and `GET /books`. It does what it is asked every time, and on a seeded schedule its answer is lost.
 */
export async function startShop(options: ShopOptions): Promise<{ readonly url: string; close(): void }> {
  const books = openBooks(options.books)
  const arrivals = new Map<string, number>()
  const server = createServer((request, response) => {
    void answer(books, options.seed, arrivals, request, response).catch(() => request.socket.destroy())
  })
  await listen(server)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
      books.close()
    },
  }
}

async function answer(
  books: Books,
  seed: number,
  arrivals: Map<string, number>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, place = '', id = ''] = (request.url ?? '').split('/')
  if (request.method === 'GET') {
    if (place === 'books') return reply(response, 200, books.counts())
    const order = books.find('order', decodeURIComponent(id))
    return order === undefined ? reply(response, 200, { order: null }) : reply(response, 200, { order: shown(order) })
  }
  const body = JSON.parse(await textOf(request)) as Record<string, string | number>
  const wish = wishOf(place, body)
  if (wish === undefined) return reply(response, 404, { error: 'no such place' })
  const key = request.headers['idempotency-key']
  const known = place === 'refunds' && typeof key === 'string' ? books.underKey(key) : undefined
  const entry = known ?? books.enter(wish.kind, wish.id, JSON.stringify(body))
  if (known === undefined && place === 'refunds' && typeof key === 'string') books.remember(key, entry)
  const name = `${wish.kind}/${wish.id}`
  const nth = (arrivals.get(name) ?? 0) + 1
  arrivals.set(name, nth)
  const fault = faultOf(seed, wish.kind, wish.id, nth)
  if (fault === 'lose') request.socket.destroy()
  else if (fault === 'stall') setTimeout(() => reply(response, 201, shown(entry)), STALL_MS).unref()
  else reply(response, 201, shown(entry))
}

function wishOf(place: string, body: Record<string, string | number>): { kind: Kind; id: string } | undefined {
  switch (place) {
    case 'orders':
      return { kind: 'order', id: String(body['order']) }
    case 'refunds':
      return { kind: 'refund', id: String(body['order']) }
    case 'mails':
      return { kind: 'mail', id: `${body['to']}: ${body['subject']}` }
    default:
      return undefined
  }
}

const shown = (entry: Entry): object => ({ id: `${entry.kind}_${entry.seq}`, for: entry.id })

function reply(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
}
