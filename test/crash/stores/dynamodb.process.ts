import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { dynamodbStore } from '../../../src/store/dynamodb/index.ts'
import { holdWrites } from '../../support/servers/hold-writes.ts'
import { runChild } from '../child.ts'

/** dynalite is one thread for all processes: with shorter times its answers would come when leases are over. */
const DEADLINE_MS = 1_000
const SETTINGS = { leaseMs: 2_000, heartbeatMs: 600, sweepMs: 300 }

await runChild(async (ledger) => {
  const { port, table } = JSON.parse(ledger) as { port: number; table: string }
  const client = new DynamoDB({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  return {
    store: dynamodbStore({ client, table, deadlineMs: DEADLINE_MS }),
    settings: SETTINGS,
    async lock() {
      const release = await holdWrites(port)
      return () => void release()
    },
    close: async () => client.destroy(),
  }
})
