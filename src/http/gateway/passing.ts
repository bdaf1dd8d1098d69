import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { downAnswer, type ProfileName } from '../exchange/index.ts'
import {
  answerHeaders,
  forwardedHeaders,
  writeAnswer,
  type ForwardOptions,
  type Target,
  type Upstream,
} from '../edge/index.ts'
import type { Pages } from './pages.ts'

export interface PassingOptions {
  readonly upstream: Upstream
  readonly forward: ForwardOptions
  readonly profile: ProfileName
  readonly pages: Pages
}

/** Reads, and whatever an operator leaves open: streamed through in both directions, given up with their client. */
export function createPassing({
  upstream,
  forward,
  profile,
  pages,
}: PassingOptions): (incoming: IncomingMessage, outgoing: ServerResponse, target: Target) => Promise<void> {
  return async (incoming: IncomingMessage, outgoing: ServerResponse, target: Target): Promise<void> => {
    const gone = new AbortController()
    outgoing.once('close', () => outgoing.writableFinished || gone.abort())
    const hasBody =
      incoming.headers['content-length'] !== undefined || incoming.headers['transfer-encoding'] !== undefined
    const headers = forwardedHeaders(incoming, forward, [])
    if (incoming.headers['content-length'] !== undefined)
      headers.push('content-length', incoming.headers['content-length'])
    else if (hasBody) headers.push('transfer-encoding', 'chunked')
    let answer: IncomingMessage
    try {
      answer = await upstream.send({
        method: incoming.method ?? 'GET',
        target: target.path + target.search,
        headers,
        body: hasBody ? incoming : undefined,
        signal: gone.signal,
      })
    } catch (error) {
      if (outgoing.destroyed) return
      return writeAnswer(outgoing, pages.shown(incoming, downAnswer(profile, 'the service', error)))
    }
    const flat: string[] = []
    const told = answerHeaders(answer, upstream.url)
    pages.heard(incoming, told)
    for (const [name, value] of told) flat.push(name, value)
    const length = answer.headers['content-length']
    if (length !== undefined) flat.push('content-length', length)
    outgoing.writeHead(answer.statusCode ?? 502, flat)
    outgoing.flushHeaders()
    await new Promise<void>((resolve) => pipeline(answer, outgoing, () => resolve()))
  }
}
