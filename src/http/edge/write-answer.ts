import type { ServerResponse } from 'node:http'
import type { Answer } from '../exchange/index.ts'

/** Answers that have no body (RFC 9110 sections 15.3.5, 15.4.5). */
const isBodiless = (status: number): boolean => status === 204 || status === 304 || status < 200

/** Writes a whole answer. `close` ends the connection after it. */
export function writeAnswer(outgoing: ServerResponse, answer: Answer, close = false): void {
  if (outgoing.headersSent || outgoing.destroyed) return
  const { status, body = '' } = answer
  const headers: string[] = []
  for (const [name, value] of answer.headers) headers.push(name, value)
  if (close) headers.push('connection', 'close')
  if (isBodiless(status)) {
    outgoing.writeHead(status, headers)
    outgoing.end()
    return
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  headers.push('content-length', String(bytes.byteLength))
  outgoing.writeHead(status, headers)
  outgoing.end(bytes)
}
