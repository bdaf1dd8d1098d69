import { startDynalite } from '../../support/servers/dynalite.ts'
import type { CrashStore } from './store.ts'

export const dynamodb: CrashStore = {
  name: 'dynamodb',
  program: new URL('./dynamodb.process.ts', import.meta.url),
  async start() {
    const server = await startDynalite()
    return {
      ledger: async () => JSON.stringify({ port: server.port, table: await server.table() }),
      close: () => server.close(),
    }
  },
}
