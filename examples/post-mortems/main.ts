/**
 * Five incidents with the contract that would have stopped each. The town is a program of its own that does what it is
 * asked and loses answers; every assertion reads its books.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOnefoldError, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import { startTown } from '../../src/scenario/index.ts'
import { contractsOf } from './contracts.ts'

const folder = mkdtempSync(join(tmpdir(), 'onefold-post-mortems-'))
const town = await startTown()
const guard = onefold({ store: sqliteStore(join(folder, 'effects.db')), quarantine: '200ms' })
const { sendMail, subscribe, createOrder, createTicket, pay } = contractsOf(
  guard,
  async (path, body, send = fetch) => {
    const answer = await send(`${town.url}/effects/${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return (await answer.json()) as { id: string }
  },
  async (path) => {
    const answer = await fetch(`${town.url}/effects/${path}`)
    return answer.ok ? ((await answer.json()) as { id: string }) : undefined
  },
)
const codeOf = (error: unknown): string | undefined => (isOnefoldError(error) ? error.code : undefined)

// Fourteen mails: the server took the mail, the answer was lost, and everything above retried.
await town.plan('plain/mail/ann', 'lose-answer')
for (let attempt = 1; attempt <= 14; attempt += 1) {
  const mail = { to: 'ann', subject: 'Your order', body: `Hello, once more (${attempt})` }
  assert.equal(await sendMail(mail).then(() => undefined, codeOf), 'IN_DOUBT')
}
assert.equal(await town.effects('plain/mail/ann'), 1)

// The double subscription: charge keyed, grant not, retried one level above.
await town.plan('plain/grant/ann', 'fail-after')
const plan = { user: 'ann', plan: 'pro', cents: 2_000 }
await subscribe(plan, { onDoubt: 'wait' })
await subscribe(plan)
assert.deepEqual([await town.effects('charge/ann'), await town.effects('plain/grant/ann')], [1, 1])

// The ghost order: a new id at every attempt.
await town.plan('order/cart-1', 'lose-answer')
for (const orderId of ['ORD-17', 'ORD-4711', 'ORD-9']) await createOrder({ cart: 'cart-1', orderId, items: ['lamp'] })
assert.equal(await town.effects('order/cart-1'), 1)

// Duplicate tickets: the service answers after its client has given up.
await town.plan('ticket/db-down', 'stall:400')
const [first, second] = await Promise.all([
  createTicket({ incident: 'db-down', text: 'The database is down' }),
  createTicket({ incident: 'db-down', text: 'Database outage!' }),
])
assert.deepEqual(first, second)
assert.equal(await town.effects('ticket/db-down'), 1)

// Almost the same payment: a mistyped invoice.
await pay({ invoice: 'A-1001', to: 'bob', cents: 4_200 })
assert.equal(await pay({ invoice: 'A1001', to: 'bob', cents: 4_200 }).then(() => undefined, codeOf), 'HELD')
assert.equal(await town.effects('pay/bob'), 1)

console.log('five incidents: one mail, one charge and grant, one order, one ticket, one payment')
await guard.close()
await town.close()
rmSync(folder, { recursive: true, force: true })
