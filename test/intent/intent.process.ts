/** Another machine on the same ledger: `node intent.process.ts LEDGER INTENT` prints the intent's key. */
import { orderIntent, type OrderIntent } from '../../src/engine/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { testGuard } from '../support/guard.ts'

const guard = testGuard({ store: sqliteStore(process.argv[2] ?? '') })
const { key } = await orderIntent(guard, JSON.parse(process.argv[3] ?? '') as OrderIntent)
process.stdout.write(`${key}\n`)
await guard.close()
