import { Redis } from 'ioredis'
import { redisStore } from '../../../src/store/redis/index.ts'
import type { Contender } from '../contender.ts'
import { oursOn } from '../ours.ts'

export const contenders: readonly Contender[] = oursOn('redis', 'redis (ioredis)', ({ redisPort, prefix }) => {
  const client = new Redis({ port: redisPort, host: '127.0.0.1' })
  client.on('error', () => undefined)
  return Promise.resolve({
    store: redisStore({ client, prefix }),
    end: () => {
      client.disconnect()
      return Promise.resolve()
    },
  })
})
