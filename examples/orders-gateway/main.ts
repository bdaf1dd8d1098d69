/**
 * An order service behind `onefold gateway`, called by plain clients that retry with fresh keys; the service loses every
 * other answer after the effect. Run directly and through the gateway, and counted at the service. Exits non-zero when the
 * protected run shows a duplicate.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import { expressApp, fetchApp } from './app.ts'
import { send } from './client.ts'
import { openShop, type Shop } from './service.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** What an agent wants: one order, its payment, one mail. */
async function work(base: string): Promise<readonly Response[]> {
  return [
    await send(`${base}/v1/orders`, { customer: 'c-7', cart: 'cart-1', note: `try ${Date.now()}` }),
    await send(`${base}/v1/payments`, { order: 'order-1', amountCents: 4200 }, 'pay-order-1'),
    await send(`${base}/v1/mails`, { to: 'a@example.org', subject: 'Your order', text: 'Thank you' }),
  ]
}

async function directly(): Promise<ReturnType<Shop['count']>> {
  const shop = await openShop()
  await work(shop.url)
  const count = shop.count()
  await shop.close()
  return count
}

async function throughGateway(): Promise<ReturnType<Shop['count']>> {
  const shop = await openShop()
  const folder = mkdtempSync(join(tmpdir(), 'onefold-orders-'))
  const config = join(folder, 'onefold.yaml')
  writeFileSync(config, readFileSync(here('onefold.yaml'), 'utf8'))
  const args = ['gateway', '--upstream', shop.url, '--config', config, '--port', '0']
  const gateway = spawn(process.execPath, [here('../../bin/onefold.js'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    const [line] = (await once(gateway.stdout, 'data')) as [Buffer]
    const url = line.toString().split(' ')[0] ?? ''
    const [order, payment, mail] = await work(url)
    assert.equal(order?.status, 200, 'found by asking: the answer of the first try was lost')
    assert.deepEqual(await order.json(), { order: { id: 'order-1', cart: 'cart-1' } })
    assert.equal(payment?.status, 201)
    // Whether a mail left cannot be asked: the client is told so, and told to stop.
    assert.equal(mail?.status, 422)
    const doubt = (await mail.json()) as { readonly code: string; readonly ticket: string }
    assert.equal(doubt.code, 'IN_DOUBT')
    console.log(`  the mail is in doubt; a person settles it: onefold ledger resolve ${doubt.ticket} --done`)
    // Everything again, as a restarted agent would: the original answers.
    const again = await work(url)
    assert.deepEqual(
      again.map((response) => response.headers.get('onefold-outcome')),
      ['replayed', 'replayed', 'in-doubt'],
    )
    return shop.count()
  } finally {
    gateway.kill('SIGTERM')
    if (gateway.exitCode === null) await once(gateway, 'exit')
    await shop.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const unprotected = await directly()
console.log('directly:           ', unprotected)
assert.deepEqual(unprotected, { orders: 2, payments: 1, mails: 2 })
const protectedRun = await throughGateway()
console.log('through the gateway:', protectedRun)
assert.deepEqual(protectedRun, { orders: 1, payments: 1, mails: 1 })

/** Inside an app: the first try of the charge loses its answer, recovery makes the second, the repeat replays. */
async function insideAnApp(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-app-'))
  const keys: string[] = []
  const { guard, handle } = fetchApp(join(folder, 'effects.db'), async (_order, key) => {
    keys.push(key)
    if (keys.length === 1) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    return { id: 'charge-1' }
  })
  const post = (): Promise<Response> =>
    handle(
      new Request('http://app/orders', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': '"order-1"' },
        body: '{"cart":"cart-1"}',
      }),
    )
  const [first, again] = [await post(), await post()]
  assert.deepEqual([first.status, await first.json()], [201, { id: 'charge-1' }])
  assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true'])
  assert.equal(new Set(keys).size, 1)
  assert.equal(keys.length, 2)
  await guard.close()
  rmSync(folder, { recursive: true, force: true })
}

/** Inside Express: the reason may be reworded, the refund happens once. */
async function insideExpress(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-express-'))
  const guard = onefold({ store: sqliteStore(join(folder, 'effects.db')) })
  let refunds = 0
  const server = expressApp(guard, async () => ({ id: `refund-${(refunds += 1)}` })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/refunds/r-1`
  const answers = [await send(url, { reason: 'broken' }), await send(url, { reason: 'arrived broken' })]
  assert.deepEqual(await Promise.all(answers.map((answer) => answer.json())), [{ id: 'refund-1' }, { id: 'refund-1' }])
  assert.equal(refunds, 1)
  server.closeAllConnections()
  server.close()
  await guard.close()
  rmSync(folder, { recursive: true, force: true })
}

await insideAnApp()
await insideExpress()
console.log('inside an app:       one charge, under one key')
