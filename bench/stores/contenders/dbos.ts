import type { Contender, Sending } from '../contender.ts'
import { sendEffect } from '../ours.ts'
import { peer } from '../peers.ts'

interface Sdk {
  readonly DBOS: {
    setConfig(config: object): void
    registerWorkflow(work: (key: string) => Promise<unknown>, options: object): (key: string) => Promise<unknown>
    runStep(work: () => Promise<unknown>, options: object): Promise<unknown>
    startWorkflow(work: unknown, options: object): (key: string) => Promise<{ getResult(): Promise<unknown> }>
    launch(): Promise<void>
    shutdown(): Promise<void>
  }
}

/** Effects by workflow id; a process has one DBOS, so its instances share it. */
const effects = new Map<string, (sending: Sending) => Promise<unknown>>()
let launched: Promise<(key: string) => Promise<unknown>> | undefined

async function launch({ DBOS }: Sdk, postgresUrl: string): Promise<(key: string) => Promise<unknown>> {
  const url = new URL(postgresUrl)
  url.pathname = '/dbos_bench'
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: url.href,
    systemDatabasePoolSize: 16,
    runAdminServer: false,
    logLevel: 'error',
    applicationVersion: 'bench',
  })
  const charge = DBOS.registerWorkflow(
    (key) =>
      DBOS.runStep(
        async () => {
          // Recovery after a crash runs the step in a process whose callers may not have brought this effect yet.
          const effect = effects.get(key) ?? ((sending) => sendEffect(key.slice(key.indexOf('|') + 1), sending))
          return await effect({ send: fetch })
        },
        { name: 'charge', retriesAllowed: false },
      ),
    { name: 'charge' },
  )
  await DBOS.launch()
  return charge
}

/** A workflow of one step, its id the key: how DBOS deduplicates. */
const dbos: Contender = {
  name: 'DBOS step',
  store: 'postgres',
  waits: true,
  async make({ postgresUrl, prefix }) {
    const sdk = await peer<Sdk>('@dbos-inc/dbos-sdk')
    const charge = await (launched ??= launch(sdk, postgresUrl))
    return {
      async call(key, effect) {
        const id = `${prefix}|${key}`
        effects.set(id, effect)
        const handle = await sdk.DBOS.startWorkflow(charge, { workflowID: id })(id)
        const value = await handle.getResult()
        effects.delete(id)
        return value
      },
      // It cannot be configured a second time in one process: it ends with the run.
      close: () => Promise.resolve(),
    }
  },
}

/** Ends what the process has launched. */
export async function stopDbos(): Promise<void> {
  if (launched === undefined) return
  await launched
  launched = undefined
  const { DBOS } = await peer<Sdk>('@dbos-inc/dbos-sdk')
  await DBOS.shutdown()
}

export const contenders: readonly Contender[] = [dbos]
