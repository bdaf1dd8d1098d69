import { knownOptions, type NamesOf } from '../contract/index.ts'
import type { Guard } from '../engine/index.ts'
import { OnefoldError } from '../error/index.ts'
import { canonicalizeJson } from '../key/index.ts'
import { chunksOf, headOf, httpCall, textOrBytes, type HttpAnswer } from './http-call.ts'
import { recordedCall } from './model-calls.ts'
import { usageOf, type Sample } from './usage.ts'

/** Asks for another sample of an equal request of the run: `2`, `3`, … It is not sent on. */
export const OCCURRENCE_HEADER = 'onefold-occurrence'

export interface LlmFetchOptions {
  /** What makes the requests. @default the global fetch */
  readonly fetch?: typeof fetch
  /** Is told of every sample that the provider really made: the one place to count usage. */
  readonly onSample?: (sample: Sample) => void
  /** What of a JSON body makes two requests the same call, for clients that put fresh ids into it. @default all of it */
  readonly identity?: (body: unknown) => unknown
  /**
   * Is told of a request's body once its answer is there: before a reader sees its first call of a tool or the end of a
   * whole one, so perhaps more than once. Outside a run, where the answer is not read here, when its head says 2xx.
   */
  readonly onAnswered?: (body: unknown) => Promise<void> | void
}

const NAMES: NamesOf<LlmFetchOptions> = { fetch: true, onSample: true, identity: true, onAnswered: true }

/**
 * A fetch for a model's client: inside a run an equal POST is the same logical call. It is made once, detached from who
 * asked: a client that gave up and tries again joins it, a stream that was stopped is read again from its first byte,
 * and a call that was answered is answered from the ledger. Errors are passed on and not kept. Outside a run, and for
 * requests without a JSON body, it is the plain fetch.
 */
export function llmFetch(guard: Guard, options: LlmFetchOptions = {}): typeof fetch {
  knownOptions('llmFetch', options, NAMES)
  const base = options.fetch ?? fetch
  return async (input, init) => {
    const request = readRequest(input, init)
    if (request === undefined) return await base(input, init)
    const { url, headers, body, signal } = request
    const occurrence = occurrenceIn(headers)
    headers.delete(OCCURRENCE_HEADER)
    const parsed = options.identity !== undefined || options.onAnswered !== undefined ? jsonOf(body) : undefined
    // Checked before anything is sent; once it is, only this reader can be stopped.
    signal?.throwIfAborted()
    const { signal: _own, ...detached } = init ?? {}
    const found = recordedCall<HttpAnswer, Uint8Array>(guard, {
      ...httpCall,
      request: { url, body: options.identity === undefined ? canonical(body) : options.identity(parsed) },
      occurrence,
      start: async () => {
        const response = await base(url, { ...detached, method: 'POST', headers, body })
        return { head: headOf(response), chunks: chunksOf(response) }
      },
      onAnswered: async () => await options.onAnswered?.(parsed),
      onSample: (head, chunks, run) => {
        if (options.onSample === undefined || !httpCall.isWhole(head, chunks)) return
        const text = textOrBytes(chunks)
        options.onSample({ run, usage: typeof text === 'string' ? usageOf(text) : undefined })
      },
    })
    if (found === undefined) {
      const response = await base(input, init === undefined ? init : { ...init, headers })
      if (response.ok) await options.onAnswered?.(parsed)
      return response
    }
    const { recording, joined } = found
    const head = await unlessAborted(recording.head, signal)
    const told = recording.source() === 'ledger' ? 'replayed' : joined ? 'joined' : 'executed'
    const answer = new Headers(head.headers as [string, string][])
    answer.set('onefold-outcome', told)
    const isEmpty = head.status === 204 || head.status === 304
    return new Response(isEmpty ? null : recording.stream(signal), {
      status: head.status,
      statusText: head.statusText,
      headers: answer,
    })
  }
}

interface ReadRequest {
  readonly url: string
  readonly headers: Headers
  readonly body: string
  readonly signal: AbortSignal | undefined
}

/** The parts of a request that may be a model call: a POST whose body is text. */
function readRequest(input: Parameters<typeof fetch>[0], init: RequestInit | undefined): ReadRequest | undefined {
  if (input instanceof Request || init?.method?.toUpperCase() !== 'POST') return undefined
  const { body } = init
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return undefined
  const text = typeof body === 'string' ? body : textOrBytes([body])
  if (typeof text !== 'string' || !text.trimStart().startsWith('{')) return undefined
  return { url: String(input), headers: new Headers(init.headers), body: text, signal: init.signal ?? undefined }
}

const MOST_BYTES = 256 * 2 ** 20

/** The same text for the same JSON; what is no JSON stands for itself. */
function canonical(body: string): string {
  try {
    return canonicalizeJson(body, { maxBytes: MOST_BYTES })
  } catch {
    return body
  }
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** @throws OnefoldError INPUT_INVALID for what is no whole number from 1 */
export function occurrenceIn(headers: Headers): number {
  const text = headers.get(OCCURRENCE_HEADER)
  if (text === null) return 1
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new OnefoldError(
    'INPUT_INVALID',
    `${OCCURRENCE_HEADER} must be a whole number from 1: it says which sample of an equal request is wanted. Nothing was sent.`,
    { details: { path: OCCURRENCE_HEADER } },
  )
}

/** The answer's head, unless this caller leaves first. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    if (signal.aborted) return leave()
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
