import type { IncomingMessage } from 'node:http'
import { answerHeaders } from '../edge/index.ts'
import { compactBody, isSuccessHere, type Answer, type DeclaredError } from '../exchange/index.ts'

/** Where an answer goes while it still comes in. */
export interface LiveSink {
  /** The head; from now on every chunk follows by {@link write}. */
  begin(status: number, headers: Answer['headers']): void
  /** False when the client cannot take more for now; {@link drained} then says when it can. */
  write(chunk: Uint8Array): boolean
  drained(go: () => void): void
  /** The service broke off: the client must not take what it has for a whole answer. */
  broken(): void
}

export interface CaptureOptions {
  /** Where the answer comes from. */
  readonly service: URL
  /** Largest answer that is kept. */
  readonly answerBytes: number
  /** The client of this attempt; undefined for a recovery. */
  readonly live: LiveSink | undefined
  /** How answers are read: what its head does not settle is told at its end. */
  readonly errors: readonly DeclaredError[]
}

/** Smaller answers are recorded before their first byte is told; larger ones are told as they come. */
const LIVE_BYTES = 64 * 1024
/** A service that has begun to answer and pauses this long means its client to see what is there. */
const LIVE_AFTER_MS = 25

/**
 * Reads an answer to its end. Event streams, large answers and slow ones go to the live client chunk by chunk; the end
 * comes when the ledger has it. Resolves without a body where that was larger than may be kept.
 * @throws an error with code ECONNRESET for an answer that broke off
 */
export function captureAnswer(answer: IncomingMessage, options: CaptureOptions): Promise<Answer> {
  const status = answer.statusCode ?? 502
  const headers = answerHeaders(answer, options.service)
  const { live } = options
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let size = 0
    let isLive = false
    let dropped = false
    let timer: NodeJS.Timeout | undefined
    const goLive = (): void => {
      if (isLive || live === undefined || settled) return
      isLive = true
      live.begin(status, headers)
      for (const chunk of chunks) live.write(chunk)
    }
    let settled = false
    const done = (): boolean => {
      clearTimeout(timer)
      if (settled) return false
      settled = true
      return true
    }
    // What another answer than a success means is known at its end, and told at its head.
    const mayBeLive = live !== undefined && isSuccessHere(status, options.errors)
    if (mayBeLive && isEventStream(answer)) goLive()
    answer.on('data', (chunk: Buffer) => {
      size += chunk.byteLength
      if (dropped || size > options.answerBytes) {
        dropped = true
        goLive()
        chunks = []
      } else chunks.push(chunk)
      if (isLive) {
        // Only what is not kept may wait for a slow client: the ledger's copy must not.
        if (live?.write(chunk) === false && dropped) {
          answer.pause()
          live.drained(() => answer.resume())
        }
      } else if (mayBeLive) {
        if (size > LIVE_BYTES) goLive()
        else if (answer.headers['content-length'] === undefined) timer ??= setTimeout(goLive, LIVE_AFTER_MS)
      }
    })
    answer.on('end', () => {
      if (!answer.complete) return broken()
      if (!done()) return
      if (dropped) return resolve({ status, headers, body: undefined, omitted: size })
      const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)
      resolve({ status, headers, body: compactBody(bytes) })
    })
    const broken = (error?: Error): void => {
      if (!done()) return
      if (isLive) live?.broken()
      reject(error ?? Object.assign(new Error('the answer broke off'), { code: 'ECONNRESET' }))
    }
    answer.on('error', broken)
    answer.on('close', () => broken())
  })
}

const isEventStream = ({ headers }: IncomingMessage): boolean =>
  headers['content-type']?.toLowerCase().startsWith('text/event-stream') === true
