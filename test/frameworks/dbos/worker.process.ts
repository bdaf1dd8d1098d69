/**
 * One life of a worker of a durable engine: a DBOS workflow whose one step places an order, without a cache of results of
 * its own. `worker.process.ts DATABASE ORDERS REF MODE LEDGER DIE`: MODE is `plain` or the recovery of the guarded tool;
 * the worker kills itself at DIE (`in-step`: the order service has answered, nobody knows; `after-step`: the ledger has it,
 * the engine does not), or with `nowhere` it ends the workflow that an earlier life began.
 */
import { DBOS } from '@dbos-inc/dbos-sdk'
import * as z from 'zod'
import { keyed, manual, onefold } from '../../../src/index.ts'
import { sqliteStore } from '../../../src/store/sqlite/index.ts'

const [database = '', orders = '', ref = '', mode = '', ledger = '', die = ''] = process.argv.slice(2)
const at = (place: string): void => {
  if (die === place) process.kill(process.pid, 'SIGKILL')
}

async function placeOrder(send: typeof fetch): Promise<string> {
  const answer = await send(`${orders}/effects/${ref}`, { method: 'POST', body: '{}' })
  const text = await answer.text()
  at('in-step')
  return text
}

const guard = mode === 'plain' ? undefined : onefold({ store: sqliteStore(ledger), lease: '1s', quarantine: '1s' })
const guarded = guard?.tool({
  name: 'place_order',
  input: z.object({ ref: z.string() }),
  effect: 'write',
  identity: ['ref'],
  recovery: mode === 'keyed' ? keyed('24h') : manual(),
  execute: (_input, context) => placeOrder(context.fetch),
})

DBOS.setConfig({
  name: 'orders',
  systemDatabaseUrl: database,
  logLevel: 'error',
  runAdminServer: false,
  executorID: ref, // a worker of its own: it takes up what its earlier life left
  applicationVersion: '1',
})
const order = DBOS.registerWorkflow(
  () =>
    DBOS.runStep(
      async () => {
        const answer = guarded === undefined ? await placeOrder(fetch) : await guarded({ ref })
        at('after-step')
        return answer
      },
      { name: 'place_order' },
    ),
  { name: 'order' },
)
await DBOS.launch()
try {
  const handle = die === 'nowhere' ? DBOS.retrieveWorkflow(ref) : await DBOS.startWorkflow(order, { workflowID: ref })()
  process.stdout.write(`${String(await handle.getResult())}\n`)
} catch (error) {
  process.stdout.write(`${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`)
} finally {
  await DBOS.shutdown()
  await guard?.close()
}
