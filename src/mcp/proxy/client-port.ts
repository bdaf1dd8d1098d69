import type { Readable, Writable } from 'node:stream'
import { lineReader } from './lines.ts'

export interface ClientPortOptions {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly maxMessageBytes: number
  /** Paused while the client does not read. */
  readonly source: Readable
  readonly onLine: (line: { readonly bytes: Buffer } | { readonly tooLong: number }) => void
}

/** The client's end of the proxy. */
export interface ClientPort {
  write(line: string | Buffer, flushed?: () => void): void
  /** Resolves when the client has closed its end, or does not read any more. */
  readonly closed: Promise<void>
  /** False when what is written cannot arrive any more. */
  isRead(): boolean
  /** Resolves when everything written has left, or cannot. */
  flushed(): Promise<void>
  detach(): void
}

/** What a client may leave unread before the server is made to wait. */
const HIGH_WATER_BYTES = 16 * 1024 * 1024
const FLUSH_MS = 2_000

export function createClientPort(options: ClientPortOptions): ClientPort {
  const { stdin, stdout, source } = options
  // Node writes into pipes synchronously; a client that does not read would stop heartbeats and housekeeping with it.
  const handle = (stdout as { _handle?: { setBlocking?: (on: boolean) => void } | null })._handle
  handle?.setBlocking?.(false)
  const reader = lineReader(options.maxMessageBytes, (line) => {
    options.onLine(line.kind === 'too-long' ? { tooLong: line.length } : { bytes: line.bytes })
  })
  let usable = true
  let close = (): void => {}
  const closed = new Promise<void>((resolve) => (close = resolve))
  const onData = (chunk: Buffer): void => reader.push(chunk)
  const onEnd = (): void => {
    reader.end()
    close()
  }
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  stdin.on('close', close)
  stdin.on('error', close)
  stdout.on('error', () => {
    usable = false
    source.resume()
    close()
  })
  stdout.on('drain', () => source.resume())

  return {
    write(line, flushed) {
      if (!usable) return
      const whole =
        typeof line === 'string' || line.at(-1) === NEWLINE ? line : Buffer.concat([line, Buffer.of(NEWLINE)])
      stdout.write(whole, (error) => {
        if (error === undefined || error === null) flushed?.()
      })
      if (stdout.writableLength > HIGH_WATER_BYTES) source.pause()
    },
    closed,
    isRead: () => usable,
    flushed: () =>
      new Promise((resolve) => {
        if (!usable) return resolve()
        setTimeout(resolve, FLUSH_MS).unref()
        stdout.write('', () => resolve())
      }),
    detach() {
      stdin.off('data', onData)
      stdin.off('end', onEnd)
      stdin.pause()
    },
  }
}

const NEWLINE = 0x0a
