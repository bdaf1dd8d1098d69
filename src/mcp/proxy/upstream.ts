import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { createNamedSlots } from '../../engine/index.ts'
import { lineReader } from './lines.ts'
import { readServerLine, saidBy, type ServerMessage } from './message.ts'

/** What the server answered to a request of the proxy: the JSON text of `result` or of `error`. */
export interface UpstreamAnswer {
  readonly kind: 'result' | 'error'
  readonly json: string
}

/** Nothing was written to the server: proof that this attempt did nothing. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

/** The server ended before it answered what had been written to it. */
export class UpstreamDied extends Error {
  override readonly name = 'UpstreamDied'
  /** What the engine files the doubt under. */
  readonly code: string
  constructor(message: string, code = 'UPSTREAM_DIED') {
    super(message)
    this.code = code
  }
}

/** It has answered, so it may have acted; what came of that, it does not say. */
export const noAnswer = (): UpstreamDied =>
  new UpstreamDied('the MCP server answered something that is no answer', 'HPE_NO_MCP')

/** How the server's process ended. */
export interface UpstreamExit {
  readonly code: number
  readonly signal: string | undefined
}

export interface UpstreamOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string | undefined
  readonly stderr: Writable
  readonly maxMessageBytes: number
  /** Asked first about every line; true when it is done with. */
  readonly onBytes?: (bytes: Buffer) => boolean
  /** A line that answers no request of the proxy, as it came. */
  readonly onLine: (bytes: Buffer, message: ServerMessage | undefined) => void
  /** A line that was too long to be passed on. */
  readonly onLost: (bytes: number) => void
}

/** The MCP server behind the proxy, as a child process. */
export interface Upstream {
  /** Resolves when the process runs. @throws the spawn error (ENOENT, EACCES) */
  readonly started: Promise<void>
  readonly exited: Promise<UpstreamExit>
  isAlive(): boolean
  /** Bytes as they are. */
  pass(bytes: Buffer): void
  /**
   * One request under an id of the proxy's own. `build` makes the message and may throw; `beforeByte` is called with
   * nothing between it and the write.
   * @throws NotSent, UpstreamDied, what `build` or `beforeByte` throw
   */
  request(build: (id: string) => string, beforeByte: () => void, about: RequestAbout): Promise<UpstreamAnswer>
  /** True while a request of this operation has left and is not answered: the server may still act. */
  isWorkingOn(operation: string): boolean
  readonly stdout: Readable
  /** Closes the server's input, then asks it to end, then ends it (MCP 2025-11-25, lifecycle, shutdown). */
  stop(graceMs: number): Promise<UpstreamExit>
}

export interface RequestAbout {
  readonly signal: AbortSignal
  /** Key of the operation that this request may bring about; undefined for a request that only asks. */
  readonly operation: string | undefined
}

interface Waiting {
  readonly operation: string | undefined
  readonly resolve: (answer: UpstreamAnswer) => void
  readonly reject: (error: unknown) => void
}

/** Below this, bytes of an answer are looked at for an id of the proxy before they are parsed. */
const ID_PREFIX = 'onefold-'

export function startUpstream(options: UpstreamOptions): Upstream {
  const prefix = `${ID_PREFIX}${randomBytes(9).toString('base64url')}-`
  const mark = Buffer.from(prefix)
  const waiting = createNamedSlots<Waiting>()
  let next = 0
  let alive = true
  const child: ChildProcess = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env as NodeJS.ProcessEnv,
    stdio: ['pipe', 'pipe', options.stderr === process.stderr ? 'inherit' : 'pipe'],
    // Node starts .cmd files, as npx is one there, only through the shell.
    shell: process.platform === 'win32',
    windowsHide: true,
  })
  const stdin = child.stdin as Writable
  const stdout = child.stdout as Readable
  child.stderr?.pipe(options.stderr, { end: false })

  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    // Later errors (a signal that cannot be sent) change nothing; without a listener they would end this process.
    child.on('error', reject)
  })
  started.catch(() => undefined)
  const exited = new Promise<UpstreamExit>((resolve) => {
    // `close`, not `exit`: answers that the server wrote before it ended are still to be read.
    child.once('close', (code, signal) => {
      alive = false
      const died = new UpstreamDied(`the MCP server ended (${signal ?? `status ${String(code)}`}) before it answered`)
      for (const { reject } of waiting.values()) reject(died)
      waiting.clear()
      resolve({ code: code ?? 1, signal: signal ?? undefined })
    })
  })
  child.once('exit', () => {
    alive = false
    // A grandchild may hold the pipe open long after the server itself is gone.
    setTimeout(() => stdout.destroy(), EXIT_GRACE_MS).unref()
  })
  // Told by `close` as well; without listeners they would end this process.
  stdin.on('error', () => undefined)
  stdout.on('error', () => undefined)

  const reader = lineReader(options.maxMessageBytes, (line) => {
    if (line.kind === 'too-long') return options.onLost(line.length)
    if (options.onBytes?.(line.bytes) === true) return
    const message = readServerLine(line.bytes.toString('utf8'))
    const own = waiting.size > 0 && message !== undefined && !message.asks && line.bytes.includes(mark)
    const answered = own && message.id !== undefined ? (JSON.parse(message.id) as string) : undefined
    const waiter = answered === undefined ? undefined : waiting.get(answered)
    if (answered === undefined || waiter === undefined) return options.onLine(line.bytes, message)
    waiting.delete(answered)
    const said = message === undefined ? undefined : saidBy(message)
    if (said === undefined) waiter.reject(noAnswer())
    else waiter.resolve(said)
  })
  stdout.on('data', (chunk: Buffer) => reader.push(chunk))
  stdout.on('end', () => reader.end())

  /** Until the bytes that are queued for the server have left this process: what is written then leaves at once. */
  async function drained(signal: AbortSignal): Promise<void> {
    if (!stdin.writableNeedDrain || !alive) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ['drain', 'close', 'error']) stdin.off(event, done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      for (const event of ['drain', 'close', 'error']) stdin.on(event, done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  async function request(
    build: (id: string) => string,
    beforeByte: () => void,
    { signal, operation }: RequestAbout,
  ): Promise<UpstreamAnswer> {
    while (stdin.writableNeedDrain && alive && !signal.aborted) await drained(signal)
    const id = `${prefix}${(next += 1)}`
    const message = `${build(JSON.stringify(id))}\n`
    if (!alive || stdin.destroyed || stdin.writableEnded) throw new NotSent('the MCP server is gone; nothing was sent')
    if (stdin.writableNeedDrain) throw new NotSent('the MCP server takes no input; nothing was sent')
    beforeByte()
    return await new Promise<UpstreamAnswer>((resolve, reject) => {
      waiting.set(id, { operation, resolve, reject })
      stdin.write(message)
    })
  }

  async function stop(graceMs: number): Promise<UpstreamExit> {
    stdin.end()
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), graceMs).unref())
      const exit = await Promise.race([exited, late])
      if (exit !== undefined) return exit
      child.kill(signal)
    }
    return await exited
  }

  return {
    started,
    exited,
    isAlive: () => alive,
    pass: (bytes) => {
      if (alive && !stdin.writableEnded) stdin.write(bytes)
    },
    request,
    isWorkingOn: (operation) => Array.from(waiting.values()).some((waiter) => waiter.operation === operation),
    stdout,
    stop,
  }
}

const EXIT_GRACE_MS = 500
