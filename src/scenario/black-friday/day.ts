import { fileURLToPath } from 'node:url'
import type { AgentServiceOptions } from './serve-agent.ts'
import { startProgram, type Program } from '../program.ts'
import { readDay, type Day } from './books.ts'
import { throughGateway } from './gateway.ts'
import { stockFor, type Order } from './orders.ts'

/** Effects that one order needs: a reservation, a transfer, two statuses, a mail. */
export const EFFECTS_PER_ORDER = 5
/** The gateway of the incident waited 30 s; this is a twentieth of it. */
const TIMEOUT_MS = 1_500
const RETRIES = 3

/** What one request goes through when nothing is wrong: it is waited for, and never sent twice. */
const UNHURRIED = { timeoutMs: 600_000, retries: 0 } as const

export interface DayOptions {
  readonly orders: readonly Order[]
  /** Orders under way at a time. */
  readonly atOnce: number
  readonly seed: number
  readonly faults: boolean
  /** The program that serves the agent. @default the scripted one, without a framework */
  readonly agentProgram?: string | undefined
  /** The inventory's database. */
  readonly database: string
  readonly ledger?: string
  readonly onOrder?: (done: number) => void
}

export interface DayEnd extends Day {
  readonly tookMs: number
  /** Doubts that only a person can settle. */
  readonly inDoubt: number
  /** Orders that the gateway gave up on after all its retries. */
  readonly givenUp: number
}

/** One day of the shop against fresh programs; everything it starts has ended when it resolves. */
export async function playDay(options: DayOptions): Promise<DayEnd> {
  const inventory = await startProgram(own('inventory'), [
    options.database,
    String(options.seed),
    options.faults ? 'yes' : 'no',
  ])
  try {
    const agentOptions: AgentServiceOptions = {
      inventory: addressOf(inventory),
      seed: options.seed,
      ...(options.faults ? { slowMs: TIMEOUT_MS + 300 } : {}),
      ...(options.ledger === undefined ? {} : { ledger: options.ledger }),
    }
    const service = await startProgram(options.agentProgram ?? own('agent-service'), [JSON.stringify(agentOptions)])
    try {
      return await work(options, addressOf(inventory), addressOf(service))
    } finally {
      await service.stop()
    }
  } finally {
    await inventory.stop()
  }
}

async function work(options: DayOptions, inventory: string, service: string): Promise<DayEnd> {
  const { orders, atOnce, onOrder } = options
  const post = async (path: string, body: string): Promise<unknown> =>
    await (await fetch(`${inventory}/${path}`, { method: 'POST', body })).json()
  await post('stock', JSON.stringify(stockFor(orders)))
  const patience = options.faults ? { timeoutMs: TIMEOUT_MS, retries: RETRIES } : UNHURRIED
  const from = performance.now()
  let next = 0
  let done = 0
  let givenUp = 0
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let order = orders[next++]; order !== undefined; order = orders[next++]) {
        if (!(await throughGateway(order, { url: service, ...patience }))) givenUp += 1
        onOrder?.((done += 1))
      }
    }),
  )
  const { inDoubt } = (await (await fetch(`${service}/drain`, { method: 'POST' })).json()) as { inDoubt: number }
  const tookMs = performance.now() - from
  const day = await readDay(async <Row>(sql: string) => (await post('query', sql)) as readonly Row[], EFFECTS_PER_ORDER)
  return { ...day, tookMs, inDoubt, givenUp }
}

const own = (name: string): string =>
  fileURLToPath(new URL(`./${name}.process.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url))

const addressOf = ({ said }: Program): string => `http://127.0.0.1:${said}`
