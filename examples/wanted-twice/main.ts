/**
 * Two things that look alike and are both wanted, one that is wanted once, and the receipt that tells a user interface what
 * really happened. The warehouse counts parcels in its own books; the assertions at the end read those.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// #region declare
import { isOnefoldError, manual, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import * as z from 'zod'
// #endregion declare
import { startWarehouse } from './warehouse.ts'

const folder = mkdtempSync(join(tmpdir(), 'onefold-wanted-twice-'))
const file = join(folder, 'effects.db')
await using warehouse = await startWarehouse()

const guard = onefold({ store: sqliteStore(file) })

const ship = guard.tool({
  name: 'ship_parcel',
  input: z.object({ customer: z.string(), item: z.string(), cents: z.number().int() }),
  effect: 'write',
  identity: ['customer', 'item'],
  recovery: manual(), // the warehouse takes no keys and cannot be asked
  amount: 'cents',
  execute: async (input, ctx) => {
    const answer = await ctx.fetch(`${warehouse.url}/parcels`, { method: 'POST', body: JSON.stringify(input) })
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
    return (await answer.json()) as { parcel: number }
  },
})

// #region occurrence
const lamp = { customer: 'c1', item: 'lamp', cents: 4_900 }

const first = await ship.perform(lamp)
const repeat = await ship.perform(lamp) // a retry, or a model that asks again: nothing is shipped
assert.equal(repeat.replayed, true)
assert.deepEqual(repeat.value, first.value)
assert.match(repeat.notice ?? '', /occurrence 2/) // collapsed with notice, never silently

const second = await ship.perform(lamp, { occurrence: 2 }) // the customer wants two lamps: the application says so
assert.notDeepEqual(second.value, first.value)
// #endregion occurrence

// #region once
let mails = 0
const sendMail = (): string => `mail ${++mails}`

const mail = await guard.once('invoice:42:mail', sendMail)
assert.equal(await guard.once('invoice:42:mail', sendMail), mail)
assert.equal(mails, 1)
// #endregion once

// #region receipt
const receipt = await guard.run({ id: 'request-7' }, async (run) => {
  await ship({ customer: 'c2', item: 'rug', cents: 12_000 })
  warehouse.loseNextAnswer()
  const error: unknown = await ship({ customer: 'c2', item: 'tent', cents: 20_000 }).catch((thrown: unknown) => thrown)
  assert(isOnefoldError(error) && error.code === 'IN_DOUBT' && error.effect === 'unknown')
  return await run.receipt()
})

const told = (entries: typeof receipt.committed): readonly string[] =>
  entries.map(({ tool, amount = 0 }) => `${tool} ${(amount / 100).toFixed(2)}`)
console.log('done:', told(receipt.committed), '· nobody knows:', told(receipt.inDoubt))
// #endregion receipt

assert.deepEqual(told(receipt.committed), ['ship_parcel 120.00'])
assert.deepEqual(told(receipt.inDoubt), ['ship_parcel 200.00'])

// #region settle
const [doubt] = receipt.inDoubt
assert(doubt !== undefined)
await guard.ledger.resolve(doubt.key, {
  verdict: 'committed',
  who: 'dana@shop.example', // authenticate people before you let them say this; never an agent
  note: 'seen in the warehouse',
  value: { parcel: 4 },
})
assert.deepEqual(await ship({ customer: 'c2', item: 'tent', cents: 20_000 }), { parcel: 4 })
// #endregion settle

console.log('the warehouse shipped', warehouse.parcels())
assert.deepEqual(warehouse.parcels(), ['c1 lamp', 'c1 lamp', 'c2 rug', 'c2 tent'])

await guard.close()
rmSync(folder, { recursive: true, force: true })
