/**
 * A payment service with Stripe's documented key semantics (https://docs.stripe.com/api/idempotent_requests): the answer
 * of a request whose endpoint began is stored under its key and given again, a 500 too; other parameters under a known
 * key are refused with 400; a key whose first request still runs is answered 409. Its books are what happened.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** What is to happen to the next refund. `fail-after`: it is made, then the endpoint fails; the 500 is stored. */
export type Fault = 'lose-answer' | 'fail-before' | 'fail-after' | 'slow' | ''

export interface Refund {
  readonly id: string
  readonly object: 'refund'
  readonly charge: string
  readonly amount: number
  readonly status: 'succeeded'
  readonly metadata: Readonly<Record<string, string>>
}

export interface StripeLike extends AsyncDisposable {
  readonly port: number
  /** Faults of the next refunds, in order. */
  plan(...faults: readonly Fault[]): void
  /** Refunds in its books. */
  books(): readonly Refund[]
  /** Statuses that it answered to refunds, in order; 0 for an answer that it lost. */
  statuses(): readonly number[]
}

interface Stored {
  readonly request: string
  answer: { readonly status: number; readonly body: string } | undefined
}

const error = (type: string, message: string, code?: string): string =>
  JSON.stringify({ error: { type, message, ...(code === undefined ? {} : { code }) } })

export async function startStripeLike(): Promise<StripeLike> {
  const books: Refund[] = []
  const statuses: number[] = []
  const stored = new Map<string, Stored>()
  const faults: Fault[] = []

  const server = createServer((request, response) => {
    void textOf(request).then((body) => handle(request, response, body))
  })

  async function handle(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const url = new URL(request.url ?? '', 'http://stripe')
    const answer = (status: number, text: string, headers: Record<string, string> = {}): void => {
      if (request.method === 'POST') statuses.push(status)
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
    }
    if (request.method === 'GET') {
      const data = books.filter(({ charge }) => charge === url.searchParams.get('charge'))
      return answer(200, JSON.stringify({ object: 'list', url: '/v1/refunds', has_more: false, data }))
    }
    const fields = new URLSearchParams(body)
    // Failed validation is not stored: the endpoint never began.
    if (fields.get('charge') === null) return answer(400, error('invalid_request_error', 'Missing: charge'))
    const key = request.headers['idempotency-key']
    const known = typeof key === 'string' ? stored.get(key) : undefined
    const same = `${url.pathname} ${body}`
    if (known !== undefined && known.request !== same) {
      return answer(
        400,
        error(
          'idempotency_error',
          'Keys for idempotent requests can only be used with the same parameters they were first used with.',
        ),
      )
    }
    if (known !== undefined && known.answer === undefined) {
      return answer(409, error('idempotency_error', 'This key is in use by another request.', 'idempotency_key_in_use'))
    }
    if (known?.answer !== undefined) {
      const { status, body: text } = known.answer
      const headers = { 'idempotent-replayed': 'true', ...(status >= 500 ? { 'stripe-should-retry': 'false' } : {}) }
      return answer(status, text, headers)
    }
    const entry: Stored = { request: same, answer: undefined }
    if (typeof key === 'string') stored.set(key, entry)
    const fault = faults.shift() ?? ''
    if (fault === 'slow') await pause(60)
    const result = fault === 'fail-before' ? undefined : refund(fields)
    entry.answer =
      result === undefined || fault === 'fail-after'
        ? { status: 500, body: error('api_error', 'Something went wrong on our side.') }
        : { status: 200, body: JSON.stringify(result) }
    if (fault === 'lose-answer') {
      statuses.push(0)
      return void response.destroy()
    }
    answer(entry.answer.status, entry.answer.body)
  }

  function refund(fields: URLSearchParams): Refund {
    const made: Refund = {
      id: `re_${books.length + 1}`,
      object: 'refund',
      charge: fields.get('charge') ?? '',
      amount: Number(fields.get('amount')),
      status: 'succeeded',
      metadata: { return_id: fields.get('metadata[return_id]') ?? '' },
    }
    books.push(made)
    return made
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    plan: (...next) => void faults.push(...next),
    books: () => books,
    statuses: () => statuses,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
