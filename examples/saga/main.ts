/**
 * A trip of flight, hotel and car. The first answer is lost, and there is no car left: the trip is undone, each part once.
 * Asserts what the service's own books say, and exits non-zero when they say anything else.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyed, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import * as z from 'zod'
import { startService } from './service.ts'

const folder = mkdtempSync(join(tmpdir(), 'onefold-saga-'))
await using service = await startService()

// #region tools
const guard = onefold({ store: sqliteStore(join(folder, 'effects.db')) })

const call = (name: string, method: string, path: string) =>
  guard.tool({
    name,
    input: z.object({ trip: z.string() }),
    effect: 'write',
    identity: ['trip'],
    recovery: keyed('24h'),
    errors: [{ match: 422, effect: 'none' }], // "no car left" is a refusal: nothing happened, and nothing will
    execute: async (input, ctx) => {
      const answer = await ctx.fetch(service.url + path, { method, body: input.trip })
      if (!answer.ok) throw Object.assign(new Error(await answer.text()), { status: answer.status })
      return (await answer.json()) as { id: string }
    },
  })
// #endregion tools

// #region saga
const bookTrip = guard.saga<{ trip: string }>('book_trip', [
  {
    tool: call('book_flight', 'POST', '/flights'),
    input: ({ trip }) => ({ trip }),
    undo: { tool: call('cancel_flight', 'DELETE', '/flights'), input: ({ trip }) => ({ trip }) },
  },
  {
    tool: call('book_hotel', 'POST', '/hotels'),
    input: ({ trip }) => ({ trip }),
    undo: { tool: call('cancel_hotel', 'DELETE', '/hotels'), input: ({ trip }) => ({ trip }) },
  },
  { tool: call('book_car', 'POST', '/cars'), input: ({ trip }) => ({ trip }) },
])

const end = await bookTrip({ trip: 'T-1' })
// #endregion saga

console.log(end.status, end.status === 'undone' ? `because ${end.failed} said: ${end.why}` : '')
console.log(service.books().join('\n'))
assert.equal(end.status, 'undone')
// #region again
assert.deepEqual(await bookTrip({ trip: 'T-1' }), end) // asked again, it tells how it ended; nothing is booked anew
assert.deepEqual(service.books(), [
  'POST /flights T-1',
  'POST /hotels T-1',
  'DELETE /hotels T-1',
  'DELETE /flights T-1',
])
// #endregion again

await guard.close()
rmSync(folder, { recursive: true, force: true })
