import { OnefoldError } from '../../error/index.ts'
import type { IoRedisConnection, IoRedisSettings, NodeRedisClient, NodeRedisCluster, RedisClient } from './clients.ts'
import type { Driver } from './driver.ts'
import { ioredisDriver } from './ioredis-driver.ts'
import { nodeRedisDriver } from './node-redis-driver.ts'

/** @throws OnefoldError CONFIG_INVALID for something that is no client, or one that changes keys or numbers on their way */
export function driverFor(client: RedisClient): Driver {
  const given: unknown = client
  if (typeof given === 'object' && given !== null) {
    if ('call' in given && 'duplicate' in given) {
      assertPlain(given as IoRedisConnection)
      return ioredisDriver(given as IoRedisConnection)
    }
    if ('sendCommand' in given && 'duplicate' in given)
      return nodeRedisDriver(given as NodeRedisClient | NodeRedisCluster)
  }
  throw new OnefoldError(
    'CONFIG_INVALID',
    'redisStore needs a client: new Redis(url) of ioredis or iovalkey, or createClient({ url }) of redis. Nothing was started.',
  )
}

/** A prefix of the client's would stand before the keys of some commands only; a number as text is another answer. */
function assertPlain({ options = {} }: IoRedisConnection): void {
  const { keyPrefix, stringNumbers } = { ...(options as { redisOptions?: IoRedisSettings }).redisOptions, ...options }
  const problem =
    keyPrefix !== undefined && keyPrefix !== ''
      ? 'has a keyPrefix: give redisStore its prefix instead'
      : stringNumbers === true
        ? 'has stringNumbers: give redisStore a client without'
        : undefined
  if (problem !== undefined)
    throw new OnefoldError('CONFIG_INVALID', `The client of the ledger ${problem}. Nothing was started.`)
}
