import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { InProgress, type Contender } from '../contender.ts'

/** SET NX, the effect, SET: the least that a program does by hand, with no fence and nothing to be said about doubts. */
const ioredis: Contender = {
  name: 'floor: ioredis SET NX + SET',
  store: 'redis',
  floor: true,
  async make({ redisPort, prefix, leaseMs }) {
    const client = new Redis({ port: redisPort, host: '127.0.0.1', lazyConnect: true, maxRetriesPerRequest: 1 })
    client.on('error', () => undefined)
    await client.connect()
    return {
      async call(key, effect) {
        const at = `${prefix}floor:${key}`
        if ((await client.set(at, '', 'PX', leaseMs, 'NX')) === null) {
          const answer = await client.get(at)
          if (answer === null || answer === '') throw new InProgress(key)
          return JSON.parse(answer)
        }
        const value = await effect({ send: fetch })
        await client.set(at, JSON.stringify(value), 'PX', 86_400_000)
        return value
      },
      close: () => Promise.resolve(client.disconnect()),
    }
  },
}

const nodeRedis: Contender = {
  name: 'raw node-redis SET NX + SET',
  store: 'redis',
  speedOnly: true,
  async make({ redisPort, prefix, leaseMs }) {
    const client = createClient({ url: `redis://127.0.0.1:${redisPort}` })
    client.on('error', () => undefined)
    await client.connect()
    return {
      async call(key, effect) {
        const at = `${prefix}raw:${key}`
        if ((await client.set(at, '', { PX: leaseMs, NX: true })) === null) {
          const answer = await client.get(at)
          if (answer === null || answer === '') throw new InProgress(key)
          return JSON.parse(answer)
        }
        const value = await effect({ send: fetch })
        await client.set(at, JSON.stringify(value), { PX: 86_400_000 })
        return value
      },
      close: async () => client.destroy(),
    }
  },
}

export const contenders: readonly Contender[] = [ioredis, nodeRedis]
