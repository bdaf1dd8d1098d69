/**
 * Sends writes to a service one after the other in one manner and prints the median microseconds: `plain`, `ctx` (by
 * ctx.fetch), or `registered` (plain, with the watching of onefold/register), by `fetch` or `http`, always inside a
 * tool. `send.process.ts URL MANNER TRANSPORT COUNT`.
 */
import { Agent, request as httpRequest } from 'node:http'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import { createGuard } from '../../src/engine/index.ts'
import { downstreamFetch } from '../../src/downstream/index.ts'
import { install } from '../../src/register/install.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../src/system/index.ts'
import { median, times } from '../lib.ts'

const [, , url = '', manner = 'plain', transport = 'fetch', count = '1000'] = process.argv
if (manner === 'registered') install()

const guard = createGuard({
  store: memoryStore(),
  allowVolatile: true,
  clock: systemClock(),
  ids: systemIds(),
  processes: systemProcesses(),
  makeFetch: downstreamFetch(),
  settings: { leaseMs: 600_000 },
})
const send = guard.tool({
  name: 'send',
  input: z.object({}),
  effect: 'write',
  identity: 'all',
  timeout: '10m',
  recovery: manual(),
  execute: async (_input, context) => {
    const once = transport === 'http' ? () => overHttp() : () => overFetch(manner === 'ctx' ? context.fetch : fetch)
    await times(Number(count) / 3, once)
    return median(await times(Number(count), once)) * 1_000
  },
})

const BODY = JSON.stringify({ charge: 'ch_1', amount: 4_200 })

async function overFetch(by: typeof fetch): Promise<void> {
  await (await by(`${url}/refunds`, { method: 'POST', body: BODY })).text()
}

const agent = new Agent({ keepAlive: true })
const headers = { 'content-length': Buffer.byteLength(BODY) }
const overHttp = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/refunds`, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', resolve)
    })
    request.on('error', reject)
    request.end(BODY)
  })

console.log(await send({}))
process.exit(0)
