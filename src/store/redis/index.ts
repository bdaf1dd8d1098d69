/**
 * A ledger in Redis or Valkey, for any number of processes and machines, through the client that you have: ioredis,
 * iovalkey or redis.
 *
 * @example
 * const guard = onefold({ store: redisStore({ client: new Redis(url) }) })
 * @module
 */
export type { IoRedisCluster, IoRedisConnection, NodeRedisClient, NodeRedisCluster, RedisClient } from './clients.ts'
export { redisStore, type RedisOptions } from './redis-store.ts'
