import type { Guard } from '../../engine/index.ts'
import { compactBody, type Answer, type RequestFacts } from '../exchange/index.ts'
import { headerValues } from './header-values.ts'
import { parsedBody } from './parsed-body.ts'
import { checked, createProtector, isPlanned, unread } from '../protector.ts'
import type { HttpOptions } from '../route.ts'

/** What is used of Fastify's request (fastify 5). */
export interface FastifyRequestLike {
  readonly method: string
  readonly originalUrl: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body?: unknown
  readonly raw?: { readonly readableDidRead?: boolean }
}

/** What is used of Fastify's reply. */
export interface FastifyReplyLike {
  readonly statusCode: number
  code(status: number): FastifyReplyLike
  header(name: string, value: string | readonly string[]): FastifyReplyLike
  getHeaders(): Readonly<Record<string, unknown>>
  removeHeader(name: string): unknown
  send(body: unknown): FastifyReplyLike
}

/** What is used of a Fastify instance. */
export interface FastifyLike {
  addHook(
    name: 'preHandler',
    hook: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<FastifyReplyLike | void>,
  ): unknown
  addHook(
    name: 'onSend',
    hook: (request: FastifyRequestLike, reply: FastifyReplyLike, payload: unknown) => Promise<unknown>,
  ): unknown
}

interface Running {
  readonly capture: (answer: Answer) => void
  readonly told: Promise<Answer>
}

/**
 * Adds the ledger to a Fastify app: `fastifyHooks(app, guard, { routes })`, before its routes. Handlers run between a
 * `preHandler` and an `onSend` hook. Recovery cannot run a handler again in this form, so routes are `manual` or `probe`.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function fastifyHooks(app: FastifyLike, guard: Guard, options: HttpOptions): void {
  const protector = createProtector(guard, options, undefined)
  const running = new WeakMap<FastifyRequestLike, Running>()

  app.addHook('preHandler', async (request, reply) => {
    const mark = request.originalUrl.indexOf('?')
    const path = mark === -1 ? request.originalUrl : request.originalUrl.slice(0, mark)
    const matched = protector.match(request.method, path)
    if (matched === undefined) return undefined
    if (!isPlanned(matched)) return sent(reply, matched)
    const { headers, raw } = request
    const body = parsedBody({ headers, readableDidRead: raw?.readableDidRead === true }, request.body)
    if (body === undefined) return sent(reply, unread(protector))
    const facts: RequestFacts = {
      method: request.method,
      path,
      search: mark === -1 ? '' : request.originalUrl.slice(mark),
      params: matched.params,
      headers: headers as Readonly<Record<string, string | undefined>>,
      body,
    }
    let start = (): void => {}
    const started = new Promise<undefined>((resolve) => (start = () => resolve(undefined)))
    const told = protector.perform(matched, facts, async () => {
      checked()
      const answer = new Promise<Answer>((capture) => running.set(request, { capture, told }))
      start()
      return await answer
    })
    const answer = await Promise.race([told, started])
    return answer === undefined ? undefined : sent(reply, answer)
  })

  app.addHook('onSend', async (request, reply, payload) => {
    const run = running.get(request)
    if (run === undefined) return payload
    running.delete(request)
    const bytes = await bytesOf(payload)
    run.capture({ status: reply.statusCode, headers: headersOf(reply), body: compactBody(bytes) })
    const answer = await run.told
    // Fastify adds a cookie to those that are there, where other headers replace.
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
    reply.code(answer.status)
    for (const [name, value] of headerValues(answer.headers)) reply.header(name, value)
    return typeof answer.body === 'string' ? answer.body : Buffer.from(answer.body ?? bytes)
  })
}

function sent(reply: FastifyReplyLike, answer: Answer): FastifyReplyLike {
  reply.code(answer.status)
  for (const [name, value] of headerValues(answer.headers)) reply.header(name, value)
  const { body = '' } = answer
  return reply.send(typeof body === 'string' ? body : Buffer.from(body))
}

/** A payload as Fastify has serialised it: text, bytes, nothing, or a stream, which is read to its end. */
async function bytesOf(payload: unknown): Promise<Uint8Array> {
  if (payload === undefined || payload === null) return new Uint8Array(0)
  if (typeof payload === 'string') return Buffer.from(payload)
  if (payload instanceof Uint8Array) return payload
  const chunks: Buffer[] = []
  for await (const chunk of payload as AsyncIterable<Uint8Array | string>) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

const headersOf = (reply: FastifyReplyLike): Answer['headers'] =>
  Object.entries(reply.getHeaders()).flatMap(([name, value]): (readonly [string, string])[] =>
    name === 'content-length' || value === undefined
      ? []
      : Array.isArray(value)
        ? value.map((one) => [name, String(one)] as const)
        : [[name, typeof value === 'number' ? String(value) : (value as string)]],
  )
