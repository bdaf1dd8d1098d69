import { createHash } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { formDigestOf, type RequestBody } from '../exchange/index.ts'

/** A whole request body, in memory or on disk. */
export interface ReceivedBody {
  readonly facts: RequestBody
  readonly size: number
  /** In memory, or a fresh stream from disk. */
  bytes(): Uint8Array | AsyncIterable<Uint8Array>
  /** Everything in memory. */
  whole(): Promise<Uint8Array>
  dispose(): Promise<void>
}

/** Why a body was not taken. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused'
  readonly why: 'too-large' | 'broken'
  constructor(why: 'too-large' | 'broken') {
    super(why)
    this.why = why
  }
}

const EMPTY = new Uint8Array(0)
const NONE: ReceivedBody = {
  facts: { kind: 'none' },
  size: 0,
  bytes: () => EMPTY,
  whole: () => Promise.resolve(EMPTY),
  dispose: () => Promise.resolve(),
}

export interface BodyLimits {
  readonly bodyBytes: number
  readonly memoryBytes: number
}

/**
 * Reads a request's body to its end, before anything is recorded: the fingerprint must be known first.
 * @throws BodyRefused for a body over the limit, or one that the client never finished
 */
export function receiveBody(incoming: IncomingMessage, limits: BodyLimits): Promise<ReceivedBody> {
  const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers
  if (length === '0' || (length === undefined && coding === undefined)) return Promise.resolve(NONE)
  if (length !== undefined && Number(length) > limits.bodyBytes) return Promise.reject(new BodyRefused('too-large'))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = (): void => {
      incoming.off('data', onData)
      incoming.off('end', onEnd)
      incoming.off('close', onClose)
      incoming.off('error', onClose)
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.byteLength
      if (size > limits.bodyBytes) {
        stop()
        incoming.pause()
        reject(new BodyRefused('too-large'))
        return
      }
      chunks.push(chunk)
      if (size <= limits.memoryBytes) return
      stop()
      incoming.pause()
      spool(incoming, chunks, limits).then(resolve, reject)
    }
    const onEnd = (): void => {
      stop()
      resolve(size === 0 ? NONE : inMemory(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)))
    }
    const onClose = (): void => {
      stop()
      reject(new BodyRefused('broken'))
    }
    incoming.on('data', onData)
    incoming.on('end', onEnd)
    incoming.on('close', onClose)
    incoming.on('error', onClose)
  })
}

const inMemory = (bytes: Uint8Array): ReceivedBody => ({
  facts: { kind: 'bytes', bytes },
  size: bytes.byteLength,
  bytes: () => bytes,
  whole: () => Promise.resolve(bytes),
  dispose: () => Promise.resolve(),
})

/** Goes on on disk. The file has no name for longer than a moment, so that no crash leaves it behind. */
async function spool(incoming: IncomingMessage, begun: readonly Buffer[], limits: BodyLimits): Promise<ReceivedBody> {
  const path = join(tmpdir(), `onefold-upload-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  // Where an open file cannot be unlinked (Windows), dispose does it.
  let named = !(await unlink(path).then(
    () => true,
    () => false,
  ))
  const digest = createHash('sha256')
  const form = formDigestOf(incoming.headers as Readonly<Record<string, string | undefined>>)
  let size = 0
  const take = async (chunk: Uint8Array): Promise<void> => {
    size += chunk.byteLength
    if (size > limits.bodyBytes) throw new BodyRefused('too-large')
    digest.update(chunk)
    form?.update(chunk)
    await file.write(chunk)
  }
  const dispose = async (): Promise<void> => {
    await file.close().catch(() => undefined)
    if (named) await unlink(path).catch(() => undefined)
    named = false
  }
  try {
    for (const chunk of begun) await take(chunk)
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) await take(chunk as Buffer)
    if (!incoming.complete) throw new BodyRefused('broken')
  } catch (error) {
    await dispose()
    throw error instanceof BodyRefused ? error : new BodyRefused('broken')
  }
  const total = size
  const reading = new Set<Promise<void>>()
  return {
    facts: { kind: 'spooled', sha256: digest.digest('base64url'), size: total, form: form?.end() },
    size: total,
    bytes: () => chunksOf(file, total, reading),
    whole: async () => {
      const bytes = Buffer.alloc(total)
      await file.read(bytes, 0, total, 0)
      return bytes
    },
    // A service may answer before it has read the whole, and reads on.
    dispose: async () => {
      await Promise.all(reading)
      await dispose()
    },
  }
}

const CHUNK_BYTES = 64 * 1024

/** `reading` has a promise while chunks are taken. */
async function* chunksOf(file: FileHandle, size: number, reading: Set<Promise<void>>): AsyncIterable<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<void>()
  reading.add(promise)
  try {
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - at))
      await file.read(chunk, 0, chunk.byteLength, at)
      yield chunk
    }
  } finally {
    reading.delete(promise)
    resolve()
  }
}
