/**
 * An order's payment arrives by webhook. The first delivery does its work and then fails on an answer that does not parse;
 * the sender delivers again and again. Asserts what the warehouse's own books say.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { composite, keyed, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import { standardWebhooks, webhookInbox } from 'onefold/webhook'
import * as z from 'zod'

const folder = mkdtempSync(join(tmpdir(), 'onefold-webhook-'))
const secret = `whsec_${Buffer.from('shared with the sender').toString('base64')}`

/** A warehouse that honours keys; the first answer of its second order is a proxy's error page. */
const books: string[] = []
const seen = new Set<string>()
let requests = 0
const warehouse = createServer((request, response) => {
  const key = String(request.headers['idempotency-key'])
  if (!seen.has(key)) books.push(request.url ?? '')
  seen.add(key)
  requests += 1
  response.end(requests === 2 ? '<html>try later</html>' : '{"left":3}')
})
await new Promise<void>((resolve) => warehouse.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(warehouse.address() as AddressInfo).port}`

const guard = onefold({ store: sqliteStore(join(folder, 'effects.db')) })

// #region inbox
const decrementStock = guard.tool({
  name: 'decrement_stock',
  input: z.object({ order: z.string() }),
  effect: 'write',
  identity: ['order'],
  recovery: keyed('24h'),
  execute: async ({ order }, ctx) => {
    const answer = await ctx.fetch(`${url}/stock/${order}`, { method: 'POST' })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return (await answer.json()) as { left: number } // what is no JSON throws, after the effect
  },
})

const inbox = webhookInbox(guard, {
  from: standardWebhooks({ secret }),
  recovery: composite(), // all that the handler does, it does through protected tools
  handle: async (event) => {
    const { order } = event.body as { order: string }
    return await decrementStock({ order })
  },
})
// #endregion inbox

/** The sender: signs anew for each delivery. */
function delivery(id: string, order: string): Request {
  const body = JSON.stringify({ type: 'order.paid', order })
  const at = String(Math.floor(Date.now() / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')
  const headers = { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${signature}` }
  return new Request('http://shop.test/webhooks', { method: 'POST', headers, body })
}

for (const [id, order] of [
  ['msg_1', 'O-1'],
  ['msg_2', 'O-2'],
  ['msg_2', 'O-2'],
  ['msg_1', 'O-1'],
] as const) {
  // #region take
  const answer = await inbox(delivery(id, order)) // in Hono: app.post('/webhooks', (c) => inbox(c.req.raw))
  // #endregion take
  console.log(id, answer.status, await answer.text())
  assert.equal(answer.status, 200)
}
console.log('the warehouse has', books)
assert.deepEqual(books, ['/stock/O-1', '/stock/O-2'])

await guard.close()
warehouse.closeAllConnections()
warehouse.close()
rmSync(folder, { recursive: true, force: true })
