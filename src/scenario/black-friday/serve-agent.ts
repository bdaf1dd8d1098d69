import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { createGuard, recoversByItself, type Guard } from '../../engine/index.ts'
import { downstreamFetch } from '../../downstream/index.ts'
import { sqliteStore } from '../../store/sqlite/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../system/index.ts'
import type { Agent } from './agent.ts'
import { isSlow } from './fate.ts'
import type { Order } from './orders.ts'
import { bareTools, protectedTools } from './tools.ts'

export interface AgentServiceOptions {
  readonly inventory: string
  readonly seed: number
  /** How long a slow model thinks; undefined for a model that is never slow. */
  readonly slowMs?: number
  /** Where the ledger is; undefined to run bare. */
  readonly ledger?: string
}

/**
 * Serves an agent over HTTP, one request an order: the main program of a process of its own, which takes its options as
 * JSON in its first argument, prints its port, and ends with its parent's standard input. A caller that gives up does not
 * stop a run, as is usual.
 */
export async function serveAgent(agent: Agent): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as AgentServiceOptions
  const guard = options.ledger === undefined ? undefined : openGuard(options.ledger)
  await guard?.open()
  const tools = guard === undefined ? bareTools(options.inventory) : protectedTools(guard, options.inventory)
  const running = new Set<Promise<unknown>>()

  async function work(order: Order, attempt: number, request: string): Promise<void> {
    let turn = 0
    const think = async (): Promise<void> => {
      turn += 1
      const slow = turn === 3 && options.slowMs !== undefined && isSlow(options.seed, order.id, attempt)
      if (slow) await pause(options.slowMs)
    }
    const run = (): Promise<void> => agent({ order, attempt, seed: options.seed, tools, think })
    await (guard === undefined ? run() : guard.run({ id: request }, run))
  }

  /** Until nothing runs and nothing is left that settles itself. Answers what only a person can settle. */
  async function drain(): Promise<{ readonly inDoubt: number }> {
    while (running.size > 0) await Promise.allSettled(running)
    for (;;) {
      const records = (await guard?.ledger.list({ states: ['executing', 'in-doubt', 'recovering'] }))?.records ?? []
      const moving = records.filter((record) => record.state === 'executing' || recoversByItself(record, undefined))
      if (moving.length === 0) return { inDoubt: records.length }
      await pause(20)
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.url === '/drain') {
      const drained = await drain()
      await guard?.close()
      return void response.end(JSON.stringify(drained))
    }
    const { 'x-request-id': id = '', 'x-attempt': attempt } = request.headers
    const worked = work(JSON.parse(Buffer.concat(chunks).toString()) as Order, Number(attempt), String(id))
    running.add(worked)
    try {
      await worked
    } finally {
      running.delete(worked)
    }
    response.writeHead(200).end('{}')
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      response.writeHead(500).end()
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`)
  })
  process.stdin.on('end', () => process.exit(0)).resume()
}

function openGuard(path: string): Guard {
  return createGuard({
    store: sqliteStore(path),
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
    makeFetch: downstreamFetch(),
    // A day in a minute and a half: the protocol's own times, scaled.
    settings: { quarantineMs: 200, sendGraceMs: 20, windowMarginMs: 400, sweepMs: 50, recoveryBackoffMs: 10 },
  })
}
