import { Redis } from 'ioredis'
import pg from 'pg'
import { setTimeout as pause } from 'node:timers/promises'
import type { Place, StoreName } from './contender.ts'

let redis: Redis | undefined
let postgres: pg.Client | undefined

/** What the store has been asked so far, less this question; NaN where it does not count. */
export async function commandsOf(store: StoreName, place: Place): Promise<number> {
  if (store === 'redis') {
    redis ??= new Redis(place.redisPort, '127.0.0.1')
    const stats = await redis.info('commandstats')
    // Not what this question itself costs, nor the greetings of connections.
    const counted = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gmu)].filter(
      ([, name]) => !/^(info|client|hello|ping|command)/u.test(name ?? ''),
    )
    return counted.reduce((sum, [, , calls]) => sum + Number(calls), 0)
  }
  if (store === 'postgres') {
    postgres ??= new pg.Client(place.postgresUrl)
    if (!('_connected' in postgres && postgres._connected === true)) await postgres.connect()
    // Each backend tells its transactions once a second at most.
    await pause(1_200)
    const { rows } = await postgres.query('SELECT sum(xact_commit + xact_rollback)::float8 AS n FROM pg_stat_database')
    return Number((rows[0] as { n: number }).n)
  }
  return Number.NaN
}

export async function stopCounting(): Promise<void> {
  redis?.disconnect()
  await postgres?.end()
  redis = undefined
  postgres = undefined
}
