import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'
import type { DynamoDB } from '@aws-sdk/client-dynamodb'
import { tableDefinition } from '../../../src/store/dynamodb/index.ts'
import type { DynaliteOrders } from './dynalite.process.ts'

// By require: its ES modules are for bundlers, and Vite's resolver would choose them.
const sdk = createRequire(import.meta.url)('@aws-sdk/client-dynamodb') as { readonly DynamoDB: typeof DynamoDB }

export const REGION = 'eu-west-1'

/** A running dynalite. */
export interface Dynalite {
  readonly port: number
  /** A client of it, or of another port of this machine that leads to it. */
  client(port?: number, region?: string): DynamoDB
  /** A fresh ledger table; its name. */
  table(): Promise<string>
  /** Changes what the server does; resolves once it does so. */
  order(orders: DynaliteOrders): Promise<void>
  /** Stops the server as a power cut would. */
  kill(): Promise<void>
  close(): Promise<void>
}

let tables = 0

/** Starts dynalite on a free loopback port. What it keeps ends with it. */
export async function startDynalite(): Promise<Dynalite> {
  const child = fork(fileURLToPath(new URL('./dynalite.process.ts', import.meta.url)), {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const port = Number(line.toString())
  const clients: DynamoDB[] = []

  const client = (to = port, region = REGION): DynamoDB => {
    const made = new sdk.DynamoDB({
      region,
      endpoint: `http://127.0.0.1:${to}`,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    clients.push(made)
    return made
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    for (const one of clients) one.destroy()
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  return {
    port,
    client,
    async table() {
      const name = `ledger-${process.pid}-${(tables += 1)}`
      await client().createTable(tableDefinition(name))
      return name
    },
    async order(orders) {
      const done = once(child, 'message')
      child.send(orders)
      await done
    },
    kill: () => end('SIGKILL'),
    close: () => end('SIGTERM'),
  }
}
