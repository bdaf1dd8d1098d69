import type { ServerResponse } from 'node:http'
import type { Answer } from '../exchange/index.ts'

/** Answers that have no body (RFC 9110 sections 15.3.5, 15.4.5). */
const isBodiless = (status: number): boolean => status === 204 || status === 304 || status < 200

/** An answer, whose body may be in pieces. */
type InPieces = Pick<Answer, 'status' | 'headers'> & { readonly body?: Answer['body'] | readonly Uint8Array[] }

/** Writes a whole answer. `close` ends the connection after it. */
export function writeAnswer(outgoing: ServerResponse, answer: InPieces, close = false): void {
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
  const pieces = typeof body === 'string' ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body
  headers.push('content-length', String(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)))
  outgoing.writeHead(status, headers)
  outgoing.cork()
  for (const piece of pieces) outgoing.write(piece)
  outgoing.end()
}
