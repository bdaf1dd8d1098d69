import { Redis } from 'ioredis'
import { redisStore } from '../../../src/store/redis/index.ts'
import { runChild } from '../child.ts'

const DEADLINE_MS = 450
/** Longer than any wave; the lock ends with its process or its end. */
const LOCK_MS = 5_000

await runChild(async (ledger) => {
  const { url, prefix } = JSON.parse(ledger) as { url: string; prefix: string }
  const client = new Redis(url)
  return {
    store: redisStore({ client, prefix, deadlineMs: DEADLINE_MS }),
    async lock() {
      const other = new Redis(url)
      await other.call('CLIENT', 'PAUSE', String(LOCK_MS), 'WRITE')
      return () => {
        void other.call('CLIENT', 'UNPAUSE').finally(() => other.disconnect())
      }
    },
    close: async () => client.disconnect(),
  }
})
