import { afterAll, describe, it } from 'vitest'
import type { Store } from '../../src/engine/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { storeSuite, type Means } from '../../src/testing/index.ts'
import type { OpenClient } from '../support/redis-clients.ts'

export interface Place {
  open(): Promise<OpenClient>
  /** Lets no command write any more; reading goes on. */
  fill(): void
  clear(): void
  close(): Promise<void>
}

/** What can be done to every deployment. Of a cluster's clocks, which differ by milliseconds anyway, nobody can step all at once. */
export const MEANS: readonly Means[] = ['crash', 'another', 'obstruct']

let ledgers = 0

/** Registers the conformance suite for one client and one kind of deployment. */
export function suite(name: string, means: readonly Means[], place: () => Promise<Place>): void {
  let started: Promise<Place> | undefined
  storeSuite(
    name,
    {
      means,
      async open() {
        started ??= place()
        const at = await started
        const prefix = `suite-${(ledgers += 1)}`
        const clients: OpenClient[] = []
        const stores: Store[] = []
        const start = async (): Promise<Store> => {
          const opened = await at.open()
          const store = redisStore({ client: opened.client, prefix })
          await store.open()
          clients.push(opened)
          stores.push(store)
          return store
        }
        const store = await start()
        return {
          store,
          another: start,
          async crash() {
            clients[0]?.end()
            return await start()
          },
          // What the ledger adds to the server's clock: stepping it is stepping the server's.
          stepClock(ms) {
            void clients[0]?.command('HINCRBY', `{${prefix}.0}m`, 'off', String(ms * 1000))
          },
          async obstruct() {
            at.fill()
            return async () => at.clear()
          },
          // Of one server; no node of a cluster shows what the others hold.
          async contents() {
            const { command } = clients[0] as OpenClient
            const held: unknown[] = []
            for (const key of (await command('KEYS', `{${prefix}.*`)) as string[]) {
              const type = await command('TYPE', key)
              const read = { string: ['GET', key], hash: ['HGETALL', key], list: ['LRANGE', key, '0', '-1'] }
              const how = read[type as keyof typeof read] ?? ['ZRANGE', key, '0', '-1']
              held.push(key, await command(...how))
            }
            return JSON.stringify(held)
          },
          async close() {
            await Promise.all(stores.map((each) => each.close()))
            for (const client of clients) client.end()
          },
        }
      },
    },
    { describe, it, afterAll },
  )
  afterAll(async () => {
    await (await started)?.close()
  })
}
