import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Guard } from '../../engine/index.ts'
import { compactBody, type Answer, type RequestFacts } from '../exchange/index.ts'
import { headerValues, isOfPage } from './header-values.ts'
import { parsedBody, type ReadRequest } from './parsed-body.ts'
import { checked, createProtector, isPlanned, unread } from '../protector.ts'
import type { HttpOptions } from '../route.ts'

/** What is used of Express's request (express 5). `body` is what a body parser before this middleware has read. */
export interface ExpressRequestLike extends ReadRequest {
  readonly method: string
  readonly originalUrl: string
  readonly body?: unknown
}

/** What is used of Express's response. */
export interface ExpressResponseLike {
  statusCode: number
  readonly headersSent: boolean
  getHeaders(): Readonly<Record<string, unknown>>
  getHeaderNames(): string[]
  setHeader(name: string, value: string | readonly string[]): unknown
  removeHeader(name: string): void
  writeHead: (...args: never[]) => unknown
  write: (...args: never[]) => boolean
  end: (...args: never[]) => unknown
  flushHeaders?: () => void
}

export type ExpressMiddlewareLike = (
  request: ExpressRequestLike,
  response: ExpressResponseLike,
  next: (error?: unknown) => void,
) => void

/**
 * Middleware for an Express app: `app.use(express.json(), expressMiddleware(guard, { routes }))`, after the body parser and
 * before the routes it protects. The answer is told when it is whole and recorded. Recovery cannot run a handler again in
 * this form, so routes are `manual` or `probe`.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function expressMiddleware(guard: Guard, options: HttpOptions): ExpressMiddlewareLike {
  const protector = createProtector(guard, options, undefined)
  return (request, response, next) => {
    const mark = request.originalUrl.indexOf('?')
    const path = mark === -1 ? request.originalUrl : request.originalUrl.slice(0, mark)
    const matched = protector.match(request.method, path)
    if (matched === undefined) return next()
    // What stands ahead has said to this client, as CORS and cookies, is said whatever it is told here.
    const tell = teller(new Set(response.getHeaderNames()))
    if (!isPlanned(matched)) return tell(response, matched)
    const body = parsedBody(request, request.body)
    if (body === undefined) return tell(response, unread(protector))
    const facts: RequestFacts = {
      method: request.method,
      path,
      search: mark === -1 ? '' : request.originalUrl.slice(mark),
      params: matched.params,
      headers: request.headers as Readonly<Record<string, string | undefined>>,
      body,
    }
    let answerBy = tell
    // A client that goes away changes nothing: what the handler still writes is held for the ledger.
    const told = protector.perform(matched, facts, async () => {
      checked()
      const held = hold(request, response, tell)
      answerBy = (_response, answer) => held.tell(answer)
      next()
      return await held.answer
    })
    void told.then((answer) => answerBy(response, answer))
  }
}

interface Held {
  readonly answer: Promise<Answer>
  /** Tells the client, also while the handler goes on. */
  tell(answer: Answer): void
}

/** Keeps what a handler writes until it has ended; the client is told only what {@link Held.tell} is given. */
function hold(request: ExpressRequestLike, response: ExpressResponseLike, tell: Tell): Held {
  const { writeHead, write, end, flushHeaders } = response
  let ended = false
  const chunks: Buffer[] = []
  let finish = (_answer: Answer): void => {}
  const answer = new Promise<Answer>((resolve) => (finish = resolve))
  const keep = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === 'string') chunks.push(Buffer.from(chunk, isEncoding(encoding) ? encoding : 'utf8'))
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk))
  }
  const called = (args: readonly unknown[]): void => {
    const callback = args.findLast((one) => typeof one === 'function') as (() => void) | undefined
    if (callback !== undefined) queueMicrotask(callback)
  }
  const holding = {
    flushHeaders: () => {},
    writeHead: (status: number, ...rest: readonly unknown[]) => {
      response.statusCode = status
      for (const [name, value] of headerEntries(rest.at(-1))) response.setHeader(name, value)
      return response
    },
    write: (...args: readonly unknown[]) => {
      keep(args[0], args[1])
      called(args)
      return true
    },
    end: (...args: readonly unknown[]) => {
      keep(args[0], args[1])
      called(args)
      ended = true
      finish({ status: response.statusCode, headers: headersOf(response), body: compactBody(Buffer.concat(chunks)) })
      return response
    },
  }
  Object.assign(response, holding)
  return {
    answer,
    tell(told) {
      const headers = response.getHeaders()
      Object.assign(response, { writeHead, write, end, flushHeaders })
      tell(response, told)
      // A handler that answers after its deadline answers the ledger, not the client a second time.
      if (!ended) Object.assign(response, holding, detachedHeaders(request, headers))
    },
  }
}

const HEADER_METHODS = [
  'appendHeader',
  'getHeader',
  'getHeaderNames',
  'getHeaders',
  'hasHeader',
  'removeHeader',
  'setHeader',
  'setHeaders',
] as const

/** Headers that go nowhere, beginning with those that a handler has set so far. */
function detachedHeaders(request: ExpressRequestLike, headers: Readonly<Record<string, unknown>>): object {
  const detached = new ServerResponse(request as unknown as IncomingMessage)
  for (const [name, value] of Object.entries(headers)) detached.setHeader(name, value as string)
  return Object.fromEntries(HEADER_METHODS.map((name) => [name, detached[name].bind(detached)]))
}

const isEncoding = (value: unknown): value is BufferEncoding => typeof value === 'string' && Buffer.isEncoding(value)

/** What `writeHead` is given: an object, pairs, or names and values in turn. */
function headerEntries(headers: unknown): Iterable<[string, string | string[]]> {
  if (typeof headers !== 'object' || headers === null) return []
  const pairs: readonly unknown[][] = !Array.isArray(headers)
    ? Object.entries(headers)
    : Array.isArray(headers[0])
      ? headers
      : Array.from({ length: headers.length / 2 }, (_one, at) => headers.slice(2 * at, 2 * at + 2))
  return headerValues(
    pairs.map(([name, value]) => [String(name), Array.isArray(value) ? value.map(String) : String(value)]),
  )
}

const headersOf = (response: ExpressResponseLike): Answer['headers'] =>
  Object.entries(response.getHeaders()).flatMap(([name, value]): (readonly [string, string])[] =>
    name === 'content-length'
      ? []
      : Array.isArray(value)
        ? value.map((one) => [name, String(one)] as const)
        : [[name, String(value)]],
  )

type Tell = (response: ExpressResponseLike, answer: Answer) => void

/** @param ahead names of the headers that were there before this middleware */
const teller =
  (ahead: ReadonlySet<string>): Tell =>
  (response, answer) => {
    if (response.headersSent) return
    for (const name of response.getHeaderNames())
      if (!ahead.has(name) || name === 'content-length') response.removeHeader(name)
    for (const [name, value] of headerValues(answer.headers))
      if (!ahead.has(name) || !isOfPage(name)) response.setHeader(name, value)
    response.statusCode = answer.status
    const end = response.end as unknown as (body?: string | Uint8Array) => void
    if (answer.body === undefined || answer.body.length === 0) end.call(response)
    else end.call(response, answer.body)
  }
