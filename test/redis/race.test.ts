import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decide, type Store, type Write } from '../../src/engine/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { REDIS_CLIENTS, type OpenClient } from '../support/redis-clients.ts'
import { REDIS, startRedis, type RedisServer } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'

const KEYS = 25_000
const AT_ONCE = 500

/** A first call's claim; everything but the key and the names is the same. */
function claim(key: string, name: string): Write {
  const decision = decide(
    key,
    undefined,
    {
      type: 'claim',
      who: 'host/boot/1/1',
      nonce: name,
      leaseMs: 60_000,
      descriptor: {
        tenant: 'race',
        tool: 'pay',
        major: 1,
        recovery: 'keyed',
        fingerprint: 'f',
        occurrence: 1,
        run: undefined,
        session: undefined,
        call: undefined,
        parent: undefined,
        retentionMs: 0,
        retryHorizonMs: 0,
        amount: undefined,
        unanchored: false,
        checked: true,
      },
      input: '{}',
      mark: true,
    },
    0,
  )
  if (!decision.ok || decision.draft === undefined) throw new Error('a claim of nothing is refused')
  return { key, tenant: 'race', expect: 0, draft: { ...decision.draft, writeId: name }, event: decision.event }
}

describeWithServer(REDIS, 'A race in Redis', () => {
  let server: RedisServer
  const clients: OpenClient[] = []
  const stores: Store[] = []

  beforeAll(async () => {
    server = await startRedis({ appendonly: 'yes', appendfsync: 'everysec' })
    for (const { open } of [...REDIS_CLIENTS, ...REDIS_CLIENTS.slice(0, 1)]) {
      const opened = await open(server.url())
      clients.push(opened)
      const store = redisStore({ client: opened.client })
      await store.open()
      stores.push(store)
    }
  })
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()))
    for (const client of clients) client.end()
    await server.close()
  })

  describe('of 100,000 claims', () => {
    it('has one winner per key, through three kinds of client', { timeout: 300_000 }, async () => {
      let winners = 0
      for (let from = 0; from < KEYS; from += AT_ONCE) {
        const keys = Array.from({ length: AT_ONCE }, (_, n) => `key ${from + n}`)
        const answers = await Promise.all(
          keys.map((key) => Promise.all(stores.map((store, who) => store.write(claim(key, `${key} by ${who}`))))),
        )
        for (const [n, four] of answers.entries()) {
          const won = four.flatMap(({ applied }, who) => (applied ? [who] : []))
          expect(won).toHaveLength(1)
          winners += 1
          for (const { record } of four) expect(record?.writeId).toBe(`${keys[n]} by ${won[0]}`)
        }
      }
      expect(winners).toBe(KEYS)
      expect((await stores[0]?.stats('race'))?.states).toEqual({ executing: KEYS })
    })
  })
})
