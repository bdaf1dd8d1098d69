import { Redis } from 'ioredis'
import { redisStore } from '../../../src/store/redis/index.ts'
import type { Contender, OpenStore, Place } from '../contender.ts'
import { oursOn } from '../ours.ts'

function open({ redisPort, prefix }: Place): Promise<OpenStore> {
  const client = new Redis({ port: redisPort, host: '127.0.0.1' })
  client.on('error', () => undefined)
  return Promise.resolve({
    store: redisStore({ client, prefix }),
    end: () => {
      client.disconnect()
      return Promise.resolve()
    },
  })
}

/** Keyed: a server that syncs every second, as the others are measured on, is refused for manual tools. */
export const contenders: readonly Contender[] = oursOn('redis', 'redis (ioredis)', open, 'keyed')
