import { createHash } from 'node:crypto'
import type { PgClient, PgPool } from './clients.ts'
import type { Row } from './columns.ts'
import { inTime, type Driver, type DriverOptions, type DriverTransaction } from './driver.ts'
import { fencedHandle } from './fenced-handle.ts'

const DEFAULT_MOST = 10
const AGAIN_MS = 250
const NO_ROOM = 'no connection is left to listen by'

const rowsOf = (result: unknown): readonly Row[] => (result as { readonly rows: readonly Row[] }).rows
const nothing = (): void => {}
/** Pools and connections whose losses are listened to: each once, however many ledgers share them. */
const heard = new WeakSet<PgPool | PgClient>()
/** How many connections of a pool listen, and serve nothing else. */
const listeners = new WeakMap<PgPool, number>()

/** A connection that breaks while it is lent says so to its borrower. */
function quiet(client: PgClient): void {
  if (!heard.has(client)) client.on('error', nothing)
  heard.add(client)
}

/** A pool of the package pg. */
export function pgDriver(pool: PgPool, { deadlineMs, prepare }: DriverOptions): Driver {
  const names = new Map<string, string>()
  const most = pool.options.max ?? DEFAULT_MOST
  // Without a listener the loss of a connection ends the process. A lent one is heard from the moment it is lent: what
  // the server says in one breath with its greeting comes before the borrower has it.
  if (!heard.has(pool)) {
    pool.on('error', nothing)
    pool.on('acquire', quiet)
  }
  heard.add(pool)

  const leaveToListeners = (more: number): void => void listeners.set(pool, (listeners.get(pool) ?? 0) + more)

  function nameOf(text: string): string {
    let name = names.get(text)
    if (name === undefined) {
      name = `onefold_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`
      names.set(text, name)
    }
    return name
  }

  const borrow = (): Promise<PgClient> => inTime(pool.connect(), deadlineMs, (client) => client.release())

  async function run(text: string, values?: readonly unknown[], often = false): Promise<unknown> {
    const client = await borrow()
    let broken = true
    try {
      const named = prepare && often ? { name: nameOf(text) } : {}
      const result = await inTime(
        client.query({ text, ...(values === undefined ? {} : { values: [...values] }), ...named }),
        deadlineMs,
      )
      broken = false
      return result
    } catch (error) {
      broken = !isFromServer(error)
      throw error
    } finally {
      client.release(broken)
    }
  }

  async function begin(text: string): Promise<DriverTransaction> {
    const client = await borrow()
    const handle = fencedHandle(client as object, ['release'])
    async function end(broken: boolean, question = ''): Promise<readonly Row[]> {
      if (handle.ended()) return []
      handle.end()
      const answer = broken
        ? undefined
        : await inTime(client.query({ text: `ROLLBACK; ${question}` }), deadlineMs).catch(() => undefined)
      client.release(answer === undefined)
      return Array.isArray(answer) ? rowsOf(answer.at(-1)) : []
    }
    try {
      await inTime(client.query({ text }), deadlineMs)
    } catch (error) {
      await end(true)
      throw error
    }
    return {
      handle: handle.face,
      end,
      async script(script) {
        const results = await inTime(client.query({ text: script }), deadlineMs)
        return rowsOf(Array.isArray(results) ? results[0] : results)
      },
    }
  }

  /** A connection of the pool for as long as somebody listens. @throws where none would be left for everything else */
  async function listen(
    channel: string,
    hear: (payload: string) => void,
    up: () => void,
  ): Promise<() => Promise<void>> {
    let client: PgClient | undefined
    let stopped = false
    let timer: NodeJS.Timeout | undefined

    function drop(next: PgClient): boolean {
      if (client !== next) return false
      client = undefined
      next.release(true)
      leaveToListeners(-1)
      return true
    }

    async function start(): Promise<void> {
      // Other ledgers may listen by the same pool.
      if ((listeners.get(pool) ?? 0) + 1 >= most) throw new Error(NO_ROOM)
      leaveToListeners(1)
      const next = await borrow().catch((error: unknown) => {
        leaveToListeners(-1)
        throw error
      })
      client = next
      // It may have been stopped meanwhile, when there was nothing yet to give back.
      if (stopped) return void drop(next)
      const onLoss = (): void => {
        if (drop(next)) again()
      }
      next.on('error', onLoss)
      next.on('end', onLoss)
      next.on('notification', ({ payload = '' }) => {
        if (client === next) hear(payload)
      })
      try {
        await inTime(next.query({ text: `LISTEN "${channel}"` }), deadlineMs)
      } catch (error) {
        drop(next)
        throw error
      }
      up()
    }

    /** Its loss and its failure may both be told of one connection. */
    function again(): void {
      if (stopped || timer !== undefined) return
      timer = setTimeout(() => {
        timer = undefined
        void start().catch(again)
      }, AGAIN_MS)
      timer.unref()
    }

    if (most < 2) throw new Error(NO_ROOM)
    await start().catch(again)
    return async () => {
      stopped = true
      clearTimeout(timer)
      if (client !== undefined) drop(client)
    }
  }

  return {
    most,
    // 0 means no limit.
    connectMs: pool.options.connectionTimeoutMillis || undefined,
    query: async (text, values, often) => rowsOf(await run(text, values, often)),
    script: async (text) => void (await run(text)),
    begin,
    listen,
  }
}

/** The server refused a statement; the connection is as good as before. */
const isFromServer = (error: unknown): boolean => {
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown }
  return typeof code === 'string' && severity === 'ERROR'
}
