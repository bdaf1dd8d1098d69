import { OnefoldError } from '../../error/index.ts'
import type { IoRedisConnection, NodeRedisClient, NodeRedisCluster, RedisClient } from './clients.ts'
import type { Driver } from './driver.ts'
import { ioredisDriver } from './ioredis-driver.ts'
import { nodeRedisDriver } from './node-redis-driver.ts'

/** @throws OnefoldError CONFIG_INVALID for something that is no client */
export function driverFor(client: RedisClient): Driver {
  const given: unknown = client
  if (typeof given === 'object' && given !== null) {
    if ('call' in given && 'duplicate' in given) return ioredisDriver(given as IoRedisConnection)
    if ('sendCommand' in given && 'duplicate' in given)
      return nodeRedisDriver(given as NodeRedisClient | NodeRedisCluster)
  }
  throw new OnefoldError(
    'CONFIG_INVALID',
    'redisStore needs a client: new Redis(url) of ioredis or iovalkey, or createClient({ url }) of redis. Nothing was started.',
  )
}
