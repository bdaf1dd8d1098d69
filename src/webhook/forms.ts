import type { Inbox } from './inbox.ts'

/** What is used of a Node request, with what a raw body parser has read (`express.raw({ type: '*∕*' })`). */
export interface NodeRequestLike extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly readableEnded?: boolean
  readonly body?: unknown
}

export interface NodeResponseLike {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body?: Uint8Array): unknown
}

/**
 * The inbox for `node:http` and Express. The body must not be parsed before: mount it ahead of `express.json()`, or behind
 * `express.raw({ type: '*∕*' })`.
 */
export function toNode(inbox: Inbox): (request: NodeRequestLike, response: NodeResponseLike) => Promise<void> {
  return async (request, response) => {
    const answer = await answered(inbox, request)
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(new Uint8Array(await answer.arrayBuffer()))
  }
}

/** What is used of Fastify's request and reply (fastify 5). */
export interface FastifyRequestLike {
  readonly raw: NodeRequestLike
  readonly body?: unknown
}

export interface FastifyReplyLike {
  code(status: number): FastifyReplyLike
  headers(headers: Record<string, string>): FastifyReplyLike
  send(body: unknown): unknown
}

/** The inbox for Fastify, with a parser that leaves bytes: `addContentTypeParser('application/json', { parseAs: 'buffer' }, …)`. */
export function toFastify(
  inbox: Inbox,
): (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<FastifyReplyLike> {
  return async ({ raw, body }, reply) => {
    const { method, url, headers, readableEnded } = raw
    const iterate = raw[Symbol.asyncIterator].bind(raw)
    const answer = await answered(inbox, {
      method,
      url,
      headers,
      body,
      ...(readableEnded === undefined ? {} : { readableEnded }),
      [Symbol.asyncIterator]: iterate,
    })
    reply
      .code(answer.status)
      .headers(Object.fromEntries(answer.headers))
      .send(Buffer.from(await answer.arrayBuffer()))
    return reply
  }
}

/** Methods that a Request cannot carry (Fetch, "forbidden method"). */
const FORBIDDEN: readonly string[] = ['CONNECT', 'TRACE', 'TRACK']

/** Whatever a stranger sends is answered: nothing but a defect makes this reject, since servers do not catch that. */
async function answered(inbox: Inbox, request: NodeRequestLike): Promise<Response> {
  const { body } = request
  const method = (request.method ?? 'POST').toUpperCase()
  if (FORBIDDEN.includes(method)) return told(405, 'a webhook is delivered by POST')
  const bytes =
    body instanceof Uint8Array ? body : typeof body === 'string' ? new TextEncoder().encode(body) : undefined
  if (bytes === undefined && (request.readableEnded === true || (body !== undefined && body !== null))) {
    return told(
      500,
      'a body parser has read the request: its signature is over bytes that are gone. Put the webhook ahead of it.',
    )
  }
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '))
  }
  const carried = method === 'GET' || method === 'HEAD' ? undefined : (bytes ?? streamOf(request))
  return await inbox(new Request(addressOf(request.url), { method, headers, ...bodyFields(carried) }))
}

function told(status: number, error: string): Response {
  const headers = { 'content-type': 'application/json', ...(status === 405 ? { allow: 'POST' } : {}) }
  return new Response(JSON.stringify({ error }), { status, headers })
}

/** A stranger may write anything into a request line; no inbox goes by it. */
function addressOf(url: string | undefined): URL {
  const [path = '/', base] = [url, 'http://webhook.invalid']
  return URL.canParse(path, base) ? new URL(path, base) : new URL(base)
}

const bodyFields = (body: Uint8Array | ReadableStream<Uint8Array> | undefined): RequestInit =>
  body === undefined || (body instanceof Uint8Array && body.byteLength === 0)
    ? {}
    : body instanceof Uint8Array
      ? { body: body as Uint8Array<ArrayBuffer> }
      : { body, duplex: 'half' }

/**
 * The body as it comes, so that no more of it is held than the inbox takes. One that is not read to its end is left to the
 * server: to destroy it would cut off the answer.
 */
function streamOf(request: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const chunks = request[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await chunks.next()
        if (next.done === true) controller.close()
        else controller.enqueue(next.value)
      },
    },
    { highWaterMark: 0 },
  )
}
