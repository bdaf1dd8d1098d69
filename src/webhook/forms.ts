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

async function answered(inbox: Inbox, request: NodeRequestLike): Promise<Response> {
  const { body } = request
  const bytes =
    body instanceof Uint8Array ? body : typeof body === 'string' ? new TextEncoder().encode(body) : undefined
  if (bytes === undefined && (request.readableEnded === true || (body !== undefined && body !== null))) {
    const error =
      'a body parser has read the request: its signature is over bytes that are gone. Put the webhook ahead of it.'
    return new Response(JSON.stringify({ error }), { status: 500, headers: { 'content-type': 'application/json' } })
  }
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '))
  }
  const whole = bytes ?? (await collected(request))
  return await inbox(
    new Request(new URL(request.url ?? '/', 'http://webhook.invalid'), {
      method: request.method ?? 'POST',
      headers,
      ...(whole.byteLength === 0 ? {} : { body: whole as Uint8Array<ArrayBuffer> }),
    }),
  )
}

async function collected(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
