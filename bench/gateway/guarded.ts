/** The gateway. `node guarded.ts UPSTREAM LEDGER` prints its port; `memory` on standard input prints bytes in use. */
import { onefold } from '../../src/index.ts'
import { HTTP_DEFAULTS } from '../../src/http/exchange/index.ts'
import { startGateway } from '../../src/http/gateway/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'

const [, , upstream = '', ledger = ''] = process.argv
const guard = onefold({ store: sqliteStore(ledger) })
await guard.open()
const gateway = await startGateway({
  guard,
  upstream: new URL(upstream),
  service: 'bench',
  rules: HTTP_DEFAULTS,
  routes: [
    {
      match: 'POST /v1/orders',
      rule: { effect: 'write', key: 'required', identity: undefined, recovery: { class: 'manual' } },
    },
    {
      match: 'POST /v1/derived',
      rule: {
        effect: 'write',
        key: 'derived',
        identity: ['body.customer', 'body.order'],
        recovery: { class: 'manual' },
      },
    },
  ],
})
console.log(new URL(gateway.url).port)
process.stdin.on('data', () => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  console.log(`memory ${heapUsed + external}`)
})
process.stdin.on('end', () => process.exit(0))
