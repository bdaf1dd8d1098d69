import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'
import type { DynamoDB } from '@aws-sdk/client-dynamodb'
import { tableDefinition } from '../../../src/store/dynamodb/index.ts'
import type { DynaliteOrders } from './dynalite.process.ts'
import { serverFolder } from './folder.ts'
import { freePort } from './free-port.ts'
import { holdWrites } from './hold-writes.ts'

// By require: its ES modules are for bundlers, and Vite's resolver would choose them.
const sdk = createRequire(import.meta.url)('@aws-sdk/client-dynamodb') as { readonly DynamoDB: typeof DynamoDB }

/** Resolves when a table can be used: some time after it is there, and its indices later still. */
export async function untilActive(client: Pick<DynamoDB, 'describeTable'>, name: string): Promise<void> {
  const isActive = async (): Promise<boolean> => {
    const { Table } = await client.describeTable({ TableName: name })
    const parts = [Table?.TableStatus, ...(Table?.GlobalSecondaryIndexes ?? []).map((one) => one.IndexStatus)]
    return parts.every((status) => status === 'ACTIVE')
  }
  while (!(await isActive())) await pause(5)
}

/** Where dynalite says that it is, whatever the client believes. */
export const REGION = 'us-east-1'

/** A running dynalite. */
export interface Dynalite {
  readonly port: number
  /** A client of it, or of another port of this machine that leads to it. */
  client(port?: number): DynamoDB
  /** A fresh ledger table; its name. */
  table(): Promise<string>
  /** What the server does otherwise from now on; resolves once it does so. */
  order(orders: DynaliteOrders): Promise<void>
  /** Refuses every write until what it answers is called. */
  holdWrites(): Promise<() => Promise<void>>
  /** SIGKILL, as a dead machine would end; files stay, if there are any. */
  kill(): Promise<void>
  start(): Promise<void>
  /** The server stands still: connections stay open, nothing is answered. */
  freeze(): void
  thaw(): void
  /** Ends everything and removes the files. */
  close(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('./dynalite.process.ts', import.meta.url))
let tables = 0

/**
 * Starts dynalite on a free loopback port.
 * @param files whether it keeps its tables in a temporary folder over a kill, which is half as fast as memory
 */
export async function startDynalite({ files = false } = {}): Promise<Dynalite> {
  const folder = files ? serverFolder('onefold-dynalite-') : undefined
  const port = await freePort()
  const clients: DynamoDB[] = []
  let child: ChildProcess | undefined

  const client = (to = port): DynamoDB => {
    const made = new sdk.DynamoDB({
      region: REGION,
      endpoint: `http://127.0.0.1:${to}`,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    clients.push(made)
    return made
  }

  async function start(): Promise<void> {
    child = fork(PROGRAM, folder === undefined ? [String(port)] : [String(port), folder], {
      env: { ...process.env, AWS_REGION: REGION },
    })
    await once(child, 'message')
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  await start()
  return {
    port,
    client,
    async table() {
      const name = `ledger-${process.pid}-${(tables += 1)}`
      const made = client()
      await made.createTable(tableDefinition(name))
      await untilActive(made, name)
      return name
    },
    async order(orders) {
      const done = once(child as ChildProcess, 'message')
      child?.send(orders)
      await done
    },
    holdWrites: () => holdWrites(port),
    kill,
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async close() {
      for (const one of clients) one.destroy()
      await kill()
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}
