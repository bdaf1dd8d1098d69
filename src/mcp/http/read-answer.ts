import type { IncomingMessage } from 'node:http'
import { endToEnd } from '../../http/edge/index.ts'
import { HttpRefused } from '../proxy/http-refused.ts'
import type { ListedBefore } from '../proxy/listed-before.ts'
import { idKey } from '../proxy/message-id.ts'
import { readServerLine, saidBy, type ServerMessage } from '../proxy/message.ts'
import { noAnswer, UpstreamDied, type UpstreamAnswer } from '../proxy/upstream.ts'
import type { Relay } from './relay.ts'
import { sseReader, type SseEvent } from './sse.ts'

export interface ReadOptions {
  readonly maxBytes: number
  /** Told of every notification that goes by. */
  readonly heard: (method: string) => void
  /** Asked about every answer before it is read. */
  readonly before?: (answer: readonly Buffer[]) => ListedBefore | undefined
}

/** The answer, or a stream that ended before it. */
export type Read =
  | (UpstreamAnswer & { readonly bytes?: Buffer })
  | (ListedBefore & { readonly kind: 'before' })
  | { readonly kind: 'paused'; readonly lastId: string | undefined; readonly retryMs: number | undefined }

/**
 * Reads what the server answers to the request with this id: one JSON document, or a stream whose events go on to the
 * client until the answer comes.
 * @throws HttpRefused for a status that is no success; UpstreamDied for what is no answer
 */
export async function readUpstreamAnswer(
  incoming: IncomingMessage,
  id: string,
  relay: Relay | undefined,
  options: ReadOptions,
): Promise<Read> {
  const status = incoming.statusCode ?? 502
  const headers = endToEnd(incoming.rawHeaders, incoming.headers.connection)
  const type = incoming.headers['content-type']?.toLowerCase() ?? ''
  if (status >= 200 && status < 300 && type.startsWith('text/event-stream')) {
    relay?.head(status, headers)
    return await readStream(incoming, id, relay, options)
  }
  const pieces = await readPieces(incoming, options.maxBytes)
  if (status < 200 || status >= 300) throw new HttpRefused({ status, headers, body: joined(pieces) })
  relay?.head(status, headers)
  const wanted = idKey(id)
  const known = listedBefore(pieces, wanted, options)
  if (known !== undefined) return known
  const body = joined(pieces)
  const bytes = options.before === undefined ? undefined : body
  const answer = answerIn(readServerLine(body.toString('utf8')), wanted, bytes)
  if (answer === undefined) throw noAnswer()
  return answer
}

function readStream(
  incoming: IncomingMessage,
  id: string,
  relay: Relay | undefined,
  options: ReadOptions,
): Promise<Read> {
  const wanted = idKey(id)
  return new Promise((resolve, reject) => {
    let lastId: string | undefined
    let retryMs: number | undefined
    let answer: Whole | undefined
    const take = (event: SseEvent): void => {
      if (event.id !== undefined) lastId = event.id === '' ? undefined : event.id
      if (event.retryMs !== undefined) retryMs = event.retryMs
      const data = event.data ?? ''
      const bytes = options.before === undefined ? undefined : Buffer.from(data)
      answer ??= bytes === undefined ? undefined : listedBefore([bytes], wanted, options)
      const message = data === '' || answer !== undefined ? undefined : readServerLine(data)
      try {
        answer ??= answerIn(message, wanted, bytes)
      } catch (error) {
        incoming.destroy()
        return reject(error as UpstreamDied)
      }
      if (answer !== undefined) {
        relay?.lastId(event.id)
        resolve(answer)
        return
      }
      if (message?.asks === true && message.id === undefined) options.heard(message.method ?? '')
      relay?.event(event.raw, event.id)
    }
    const reader = sseReader(options.maxBytes, take)
    incoming.on('data', (chunk: Buffer) => {
      if (answer !== undefined) return
      try {
        reader.push(chunk)
      } catch (error) {
        incoming.destroy()
        reject(new UpstreamDied(error instanceof Error ? error.message : String(error), 'HPE_TOO_LARGE'))
      }
    })
    const ended = (): void => resolve({ kind: 'paused', lastId, retryMs })
    incoming.on('end', ended)
    // A stream that broke is taken up again like one that ended, where it can be.
    incoming.on('error', ended)
    incoming.on('close', ended)
  })
}

type Whole = Exclude<Read, { kind: 'paused' }>

function listedBefore(bytes: readonly Buffer[], wanted: string, { before }: ReadOptions): Whole | undefined {
  const known = before?.(bytes)
  return known === undefined || idKey(known.id) !== wanted ? undefined : { kind: 'before', ...known }
}

/**
 * Undefined for another message than the answer.
 * @param bytes of the whole message
 * @throws UpstreamDied for an answer that says nothing
 */
function answerIn(message: ServerMessage | undefined, wanted: string, bytes: Buffer | undefined): Whole | undefined {
  if (message === undefined || message.asks || message.id === undefined || idKey(message.id) !== wanted)
    return undefined
  const said = saidBy(message)
  if (said === undefined) throw noAnswer()
  return { ...said, ...(bytes === undefined ? {} : { bytes }) }
}

/** @throws UpstreamDied for a body that broke off or is too large */
function readPieces(incoming: IncomingMessage, maxBytes: number): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let ended = false
    const broken = (): void => {
      // Every connection closes in the end, and an error is dear to make.
      if (!ended) reject(new UpstreamDied('the connection to the MCP server broke before it answered', 'ECONNRESET'))
    }
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.byteLength
      if (size > maxBytes) {
        incoming.destroy()
        reject(new UpstreamDied(`the answer of the MCP server is larger than ${maxBytes} bytes`, 'HPE_TOO_LARGE'))
      } else chunks.push(chunk)
    })
    incoming.on('end', () => {
      ended = incoming.complete
      if (ended) resolve(chunks)
      else broken()
    })
    incoming.on('error', broken)
    incoming.on('close', broken)
  })
}

const joined = (pieces: readonly Buffer[]): Buffer =>
  pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
