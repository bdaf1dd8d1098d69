import type { Contender } from '../contender.ts'
import { peer } from '../peers.ts'

interface Hit {
  readonly body?: unknown
  readonly error?: unknown
}

interface Core {
  readonly Idempotency: new (
    storage: object,
    options: object,
  ) => {
    onRequest(request: object): Promise<Hit | undefined>
    onResponse(request: object, response: object): Promise<void>
  }
}

interface RedisAdapter {
  readonly RedisStorageAdapter: new (options: object) => { connect(): Promise<void>; disconnect(): Promise<void> }
}

const make =
  (wait: boolean): Contender['make'] =>
  async ({ redisPort, prefix }) => {
    const { RedisStorageAdapter } = await peer<RedisAdapter>('@node-idempotency/storage-adapter-redis')
    const { Idempotency } = await peer<Core>('@node-idempotency/core')
    const storage = new RedisStorageAdapter({ url: `redis://127.0.0.1:${redisPort}` })
    await storage.connect()
    const idempotency = new Idempotency(storage, {
      cacheKeyPrefix: `${prefix}node-idempotency`,
      cacheTTLMS: 86_400_000,
      enforceIdempotency: true,
      // Its own default poll, and patience for the slowest effect here.
      inProgressStrategy: { wait, pollingIntervalMs: 100, maxWaitMs: 10_000 },
    })
    return {
      async call(key, effect) {
        const request = {
          headers: { 'idempotency-key': key },
          path: '/charges',
          method: 'POST',
          body: { amount: 4200 },
        }
        const hit = await idempotency.onRequest(request)
        if (hit !== undefined) {
          if (hit.error !== undefined) throw Object.assign(new Error('a replayed error'), { name: 'ReplayedError' })
          return hit.body
        }
        let body: unknown
        try {
          body = await effect({ send: fetch })
        } catch (error) {
          // As its NestJS and Express plugins do with a handler that failed.
          await idempotency.onResponse(request, { error: { message: String(error) } })
          throw error
        }
        await idempotency.onResponse(request, { body })
        return body
      },
      close: () => storage.disconnect().catch(() => undefined),
    }
  }

export const contenders: readonly Contender[] = [
  { name: 'node-idempotency', store: 'redis', make: make(false) },
  { name: 'node-idempotency, wait', store: 'redis', waits: true, make: make(true) },
]
