import type { Readable, Writable } from 'node:stream'
import { tellOperators, type Guard } from '../../engine/index.ts'
import { isOnefoldError } from '../../error/index.ts'
import { errorLine, resultLine, resultStart } from './answers.ts'
import { createCalls } from './calls.ts'
import type { Caller } from './caller.ts'
import { createClientPort } from './client-port.ts'
import type { ProxyContracts } from './declared.ts'
import { createDelivery } from './delivery.ts'
import { envelopeOf } from './envelope.ts'
import { createListing } from './listed-contracts.ts'
import { callsOver } from './own-calls.ts'
import { readClientLine, type ClientMessage, type ServerMessage, type ToolCall } from './message.ts'
import { idKey } from './message-id.ts'
import { createPassing } from './passing.ts'
import { createSeenTools } from './seen-tools.ts'
import { createToolBook, type ToolBook } from './tool-book.ts'
import { startUpstream, type Upstream } from './upstream.ts'
import { PROXY_CODES, WIRE_CODES } from './wire-errors.ts'

/** What `runProxy` needs. */
export interface ProxyOptions {
  /** The MCP server to put the ledger in front of. */
  readonly command: string
  readonly args: readonly string[]
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** @default the working directory */
  readonly cwd?: string
  readonly contracts: ProxyContracts
  /** Opened and closed by the proxy. */
  readonly guard: Guard
  readonly stdin: Readable
  readonly stdout: Writable
  /** Where people are told; the server's own standard error goes there too. */
  readonly stderr: Writable
  /** Where SIGTERM and SIGINT come from. @default process */
  readonly signals?: Pick<NodeJS.Process, 'on' | 'off'>
  /** A longer line is dropped as it comes. @default 64 MiB */
  readonly maxMessageBytes?: number
  /** Arguments of a write. @default 4 MiB; the engine takes 1 MiB of canonical form */
  readonly maxArgumentBytes?: number
  /** When clients give up at the latest without saying so. @default 30000 */
  readonly clientTimeoutMs?: number
  /** Between the server's input being closed, SIGTERM and SIGKILL. @default 2000 */
  readonly stopGraceMs?: number
  /** Name the ledger behind commands that people are told to type. @default '' */
  readonly ledgerFlags?: string
}

const MEBIBYTE = 1024 * 1024

/**
 * Runs a stdio MCP server behind a ledger: lines of JSON-RPC go through unchanged, but for `tools/call` of tools that
 * write, which go through the engine. Ends when the client closes its end, when the server ends, or by SIGTERM or
 * SIGINT; what has started is followed into the ledger first (a second signal does not wait).
 * @returns the exit status: 0, the server's own, 2 when it cannot be started, 3 when the ledger cannot be opened
 */
export async function runProxy(options: ProxyOptions): Promise<number> {
  const { guard } = options
  const tell = (message: string): void => void options.stderr.write(`onefold: ${message}\n`)
  let upstream: Upstream | undefined
  let book: ToolBook
  let envelope: string | undefined
  try {
    book = createToolBook(options.contracts, () => callsOver(upstream as Upstream, () => envelope))
    await guard.open()
  } catch (error) {
    if (!isOnefoldError(error)) throw error
    tell(`${error.code}: ${error.message} The MCP server was not started.`)
    return error.code.startsWith('STORE_') ? STORE_STATUS : WRONG_USE_STATUS
  }
  const stopTelling = tellOperators(guard, tell, options.ledgerFlags)
  try {
    upstream = startUpstream({
      command: options.command,
      args: options.args,
      env: options.env ?? process.env,
      cwd: options.cwd,
      stderr: options.stderr,
      maxMessageBytes: options.maxMessageBytes ?? 64 * MEBIBYTE,
      onBytes: (bytes) => session.listedBefore(bytes),
      onLine: (bytes, message) => session.fromServer(bytes, message),
      onLost: (bytes) => tell(`a line of ${bytes} bytes from the MCP server was dropped: it is too long`),
    })
    const session = createSession(options, book, upstream, tell, (call) => (envelope = envelopeOf(call) ?? envelope))
    try {
      await upstream.started
    } catch (error) {
      tell(`cannot start ${options.command}: ${cannotStart(error)}. No effect started.`)
      return WRONG_USE_STATUS
    }
    return await session.run()
  } finally {
    stopTelling()
    await guard.close()
  }
}

const WRONG_USE_STATUS = 2
const STORE_STATUS = 3

function cannotStart(error: unknown): string {
  const code = (error as { code?: unknown }).code
  if (code === 'ENOENT') return 'there is no such command'
  if (code === 'EACCES') return 'it is not executable'
  return error instanceof Error ? error.message : String(error)
}

interface Session {
  /** Answers with a list that came before. */
  listedBefore(bytes: Buffer): boolean
  fromServer(bytes: Buffer, message: ServerMessage | undefined): void
  /** Serves until there is nothing left to do. */
  run(): Promise<number>
}

function createSession(
  options: ProxyOptions,
  book: ToolBook,
  upstream: Upstream,
  tell: (message: string) => void,
  called: (call: ToolCall) => void,
): Session {
  const { guard } = options
  const port = createClientPort({
    stdin: options.stdin,
    stdout: options.stdout,
    maxMessageBytes: options.maxMessageBytes ?? 64 * MEBIBYTE,
    source: upstream.stdout,
    onLine: fromClient,
  })
  const calls = createCalls({
    guard,
    contracts: options.contracts,
    maxArgumentBytes: options.maxArgumentBytes ?? 4 * MEBIBYTE,
    nowMs: () => performance.now(),
  })
  const delivery = createDelivery({
    deliver: (key, tenant) => guard.internals.undeclared.deliver(key, tenant, 'mcp client'),
    nowMs: () => performance.now(),
    clientTimeoutMs: options.clientTimeoutMs ?? 30_000,
  })
  const caller: Caller = {
    send: upstream.request,
    // Over a pipe the server answers in lines, always.
    answer: (reply, flushed) => ('line' in reply ? port.write(reply.line, flushed) : undefined),
    delivery,
  }
  const passing = createPassing()
  const seenTools = createSeenTools(options.contracts, tell)
  const listing = createListing(book.planOf, seenTools.answered)
  let stopping = false
  let registered = false
  let garbageTold = false

  /** From now on the sweeper may settle what earlier lives of the proxy left: there is a server to ask. */
  function register(): void {
    if (registered) return
    registered = true
    for (const contract of book.declared) guard.internals.register(contract)
  }

  function fromClient(line: { readonly bytes: Buffer } | { readonly tooLong: number }): void {
    const message: ClientMessage =
      'tooLong' in line
        ? {
            kind: 'refused',
            id: 'null',
            code: -32600,
            message: `Invalid request: a message of ${line.tooLong} bytes is too long. Nothing was done.`,
          }
        : readClientLine(line.bytes)
    if (message.kind === 'refused') {
      delivery.heard()
      const data = {
        type: 'INPUT_INVALID',
        effect: 'none',
        retryable: false,
        ...(message.path === undefined ? {} : { path: message.path }),
      }
      port.write(errorLine(message.id, JSON.stringify({ code: message.code, message: message.message, data })))
      return
    }
    if (message.kind === 'call') {
      const plan = book.planOf(message.tool)
      const idText = message.text.slice(message.id.start, message.id.end)
      if (stopping || !upstream.isAlive()) return port.write(goneLine(idText, stopping && upstream.isAlive()))
      called(message)
      register()
      if (plan.kind !== 'pass') return calls.take(message, idKey(idText), plan, caller)
    }
    if (message.kind === 'cancel') {
      if (message.requestId !== undefined) {
        const id = idKey(message.requestId)
        delivery.cancelled(id)
        passing.answered(id)
        if (calls.cancel(id)) return
      }
    }
    delivery.heard()
    if (message.kind === 'other' && STARTS.has(message.method ?? '')) register()
    if (message.kind !== 'cancel') {
      const asked =
        message.kind === 'call'
          ? { id: message.text.slice(message.id.start, message.id.end), method: 'tools/call' }
          : message
      if (asked.id !== undefined && asked.method !== undefined) {
        if (!upstream.isAlive()) return port.write(goneLine(asked.id, false))
        passing.asked(idKey(asked.id), asked.id, asked.method)
      }
    }
    if ('bytes' in line) upstream.pass(line.bytes)
  }

  return {
    listedBefore(bytes) {
      const again = listing.before([bytes])
      if (again === undefined || passing.answered(idKey(again.id)) !== TOOLS_LIST) return false
      port.write(resultStart(again.id))
      port.write(again.rest)
      return true
    },
    fromServer(bytes, message) {
      const answers = message !== undefined && !message.asks && message.id !== undefined
      const method = answers ? passing.answered(idKey(message.id as string)) : undefined
      if (method === TOOLS_LIST && message?.result !== undefined) {
        port.write(resultLine(message.id as string, listing.rewriteIn(bytes, message.result)))
        return
      }
      port.write(bytes)
      if (message === undefined) {
        if (!garbageTold)
          tell('the MCP server wrote a line to its standard output that is no JSON-RPC message; it was passed on')
        garbageTold = true
        return
      }
      if (message.method !== LIST_CHANGED) return
      seenTools.changed()
      listing.forget()
    },

    async run() {
      const signals = options.signals ?? process
      let forced = (): void => {}
      const force = new Promise<'forced'>((resolve) => (forced = () => resolve('forced')))
      let asked = (): void => {}
      const stop = new Promise<'stop'>((resolve) => (asked = () => resolve('stop')))
      let count = 0
      const onSignal = (): void => {
        count += 1
        if (count === 1) asked()
        else forced()
      }
      signals.on('SIGTERM', onSignal)
      signals.on('SIGINT', onSignal)
      try {
        const first = await Promise.race([port.closed.then((): 'stop' => 'stop'), stop, upstream.exited])
        if (first === 'stop') {
          stopping = true
          calls.abandon()
          if (calls.open.size > 0)
            tell(`stopping when ${calls.open.size} started calls have ended; a signal does not wait`)
          const drained = await Promise.race([settled(), force])
          // A pipe that has ended may still be read: who wrote it waits for what was asked.
          if (passing.size() > 0 && port.isRead()) {
            tell(`stopping when ${passing.size()} requests are answered; a signal does not wait`)
            await Promise.race([passing.settled(), stop, upstream.exited, force, patience()])
          }
          const grace = options.stopGraceMs ?? 2_000
          const exit = await Promise.race([upstream.stop(drained === 'forced' ? 0 : grace), force])
          if (drained === 'forced' || exit === 'forced') {
            void upstream.stop(0)
            return 1
          }
          for (const id of passing.open()) port.write(goneLine(id, false))
          await port.flushed()
          return 0
        }
        // Every answer that the server still owed is in doubt by now, or will be in the moment that the ledger has it.
        for (const id of passing.open()) port.write(goneLine(id, false))
        await Promise.race([settled(), force])
        await port.flushed()
        tell(`the MCP server ended (${first.signal ?? `status ${first.code}`})`)
        return first.signal === undefined ? first.code : 1
      } finally {
        signals.off('SIGTERM', onSignal)
        signals.off('SIGINT', onSignal)
        port.detach()
      }
    },
  }

  function patience(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, options.contracts.timeoutMs ?? PATIENCE_MS).unref())
  }

  async function settled(): Promise<void> {
    while (calls.open.size > 0) await Promise.all(Array.from(calls.open.values(), ({ ended }) => ended))
  }
}

/** How long a server is waited for that owes answers, where the configuration has no `timeout`. */
const PATIENCE_MS = 60_000

/** After these the server answers requests: MCP 2025-11-25, and 2026-07-28, which has no handshake. */
const STARTS: ReadonlySet<string> = new Set(['notifications/initialized', 'server/discover'])

const TOOLS_LIST = 'tools/list'

/** After it the next `tools/list` is compared anew with what is declared. */
const LIST_CHANGED = 'notifications/tools/list_changed'

/** What a request gets that the server can no longer answer. */
function goneLine(id: string, stopping: boolean): string {
  const message = stopping
    ? 'The proxy is stopping. Nothing was sent; call again when it runs again.'
    : 'The MCP server behind the proxy has ended. This request was not answered.'
  const data = stopping
    ? { type: 'CANCELLED', effect: 'none', retryable: true }
    : { type: 'UPSTREAM_DIED', effect: 'unknown', retryable: true }
  return errorLine(
    id,
    JSON.stringify({ code: stopping ? WIRE_CODES.CANCELLED : PROXY_CODES.UPSTREAM_DIED, message, data }),
  )
}
