import { REDIS, startRedis } from '../../support/redis-server.ts'
import { serverProgram } from '../../support/servers/absence.ts'
import type { CrashStore } from './store.ts'

export const redis: CrashStore = {
  name: 'redis',
  program: new URL('./redis.process.ts', import.meta.url),
  async start() {
    if (serverProgram(REDIS) === undefined) return undefined
    const server = await startRedis()
    let waves = 0
    return {
      ledger: async () => JSON.stringify({ url: server.url(), prefix: `wave-${(waves += 1)}` }),
      close: () => server.close(),
    }
  },
}
