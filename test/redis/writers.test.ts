import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import type { Guard, Store } from '../../src/engine/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { baseOf } from '../../src/store/redis/names.ts'
import { testGuard } from '../support/guard.ts'
import { REDIS_CLIENTS } from '../support/redis-clients.ts'
import { REDIS, startRedis, type RedisServer } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'

const DAY_US = 86_400_000_000

describeWithServer(REDIS, 'Writers of a Redis ledger', () => {
  let server: RedisServer
  const ends: (() => void)[] = []
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(async () => {
    for (const end of ends) end()
    await server.close()
  })

  async function newStore(prefix: string): Promise<Store> {
    const opened = await (REDIS_CLIENTS[0] as (typeof REDIS_CLIENTS)[number]).open(server.url())
    ends.push(() => opened.end())
    return redisStore({ client: opened.client, prefix })
  }

  function noting(store: Store): { guard: Guard; note: (text: string) => Promise<string> } {
    const guard = testGuard({ store })
    const note = guard.tool({
      name: 'note',
      input: z.object({ text: z.string() }),
      effect: 'write',
      identity: ['text'],
      recovery: manual(),
      execute: ({ text }) => text,
    })
    return { guard, note: (text) => note({ text }) }
  }

  it('take a store that is opened again for no loss of what they had written', async () => {
    const store = await newStore('again')
    for (const text of ['first', 'second', 'third']) {
      const { guard, note } = noting(store)
      expect(await note(text)).toBe(text)
      expect(await guard.ledger.amnesia()).toBeUndefined()
      await guard.close()
    }
  })

  it('have a store open that was being closed when they opened it', async () => {
    const store = await newStore('at-once')
    let before = noting(store)
    for (let n = 0; n < 20; n += 1) {
      await before.note(`before ${n}`)
      const late = before.note(`late ${n}`).catch(() => undefined)
      const closing = before.guard.close()
      for (let turn = 0; turn < n; turn += 1) await Promise.resolve()
      const after = noting(store)
      await after.note(`after ${n}`)
      await Promise.all([closing, late])
      expect(await after.note(`later ${n}`)).toBe(`later ${n}`)
      before = after
    }
    await before.guard.close()
  })

  it('are not taken for forgetful when they are silent for longer than a writer is kept', async () => {
    const silent = await newStore('silent')
    const busy = await newStore('silent')
    const { guard, note } = noting(silent)
    await note('long ago')
    const meta = `${baseOf('silent', 0)}m`
    const seq = Number(server.cli('HGET', meta, 'seq').trim())
    server.cli('HSET', meta, 'seq', String(seq + 31 * DAY_US))
    const other = noting(busy)
    await other.note('today')
    await other.guard.close()
    expect((await silent.epoch()).sequence).toBeGreaterThan(seq)
    expect(await note('again')).toBe('again')
    expect(await guard.ledger.amnesia()).toBeUndefined()
    await guard.close()
  })
})
