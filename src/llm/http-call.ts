import { hasFailed, isWholeAnswer } from './answer-end.ts'
import type { ModelCall } from './model-calls.ts'

/** What an HTTP answer is beside its body. */
export interface HttpAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly (readonly [string, string])[]
}

/** Headers that are about the bytes on that one connection, or about the caller that it was given to. */
const NOT_REPLAYED = new Set(['content-encoding', 'content-length', 'transfer-encoding', 'connection', 'set-cookie'])

interface Stored extends HttpAnswer {
  /** Text where the body is UTF-8, else its bytes. */
  readonly body: string | Uint8Array
}

type Shared = Pick<ModelCall<HttpAnswer, Uint8Array>, 'asksForTool' | 'saysFailed' | 'isWhole' | 'pack' | 'unpack'>

/** What Messages, Chat Completions and Responses call it; one that is cut in two by its chunks shows at the answer's end. */
const TOOL_CALLS = ['"tool_use"', '"tool_calls"', '"function_call"']

const holds = (chunk: Uint8Array, texts: readonly string[]): boolean => {
  const bytes = bytesOf(chunk)
  return texts.some((text) => bytes.includes(text))
}

/** How answers over HTTP are recorded: only successes, to their end; the bytes as they came, the headers without the connection's. */
export const httpCall: Shared = {
  asksForTool: (chunk) => holds(chunk, TOOL_CALLS),
  saysFailed: (chunk) => hasFailed(lettersOf(chunk)),
  isWhole: ({ status, headers }, chunks) => {
    if (status < 200 || status >= 300) return false
    const type = headers.find(([name]) => name === 'content-type')?.[1].toLowerCase() ?? ''
    return isWholeAnswer(type, lettersOf(Buffer.concat(chunks)))
  },
  pack: (head, chunks): Stored => ({ ...head, body: textOrBytes(chunks) }),
  unpack: (stored) => {
    const { body, ...head } = stored as Stored
    return { head, chunks: [typeof body === 'string' ? new TextEncoder().encode(body) : body] }
  },
}

const bytesOf = (chunk: Uint8Array): Buffer => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)

/** All signs that are looked for are ASCII, which this leaves as it is, also where a chunk ends within a character. */
const lettersOf = (chunk: Uint8Array): string => bytesOf(chunk).toString('latin1')

export function headOf(response: Response): HttpAnswer {
  const headers = [...response.headers].filter(([name]) => !NOT_REPLAYED.has(name))
  return { status: response.status, statusText: response.statusText, headers }
}

export async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  for await (const chunk of response.body) yield chunk
}

export function textOrBytes(chunks: readonly Uint8Array[]): string | Uint8Array {
  const bytes = Buffer.concat(chunks)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return new Uint8Array(bytes)
  }
}
