import type { RequestBody } from '../exchange/index.ts'

/** What is used of a request whose body a framework reads. */
export interface ReadRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Of Node's streams: true once somebody has begun to read. */
  readonly readableDidRead?: boolean
}

/**
 * A body as a parser has left it; undefined for content that no parser has read yet: requests that differ only in it
 * would be taken for one.
 */
export function parsedBody(request: ReadRequest, body: unknown): RequestBody | undefined {
  if (hasContent(request) && (body === undefined || isUnread(request, body))) return undefined
  if (body === undefined || body === null) return { kind: 'none' }
  if (body instanceof Uint8Array) return { kind: 'bytes', bytes: body }
  if (typeof body === 'string') return { kind: 'bytes', bytes: Buffer.from(body) }
  return { kind: 'value', value: body }
}

const hasContent = ({ headers }: ReadRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** Express 4 puts an empty object where its parsers did not fit; one for uploads puts files elsewhere. */
function isUnread({ headers, readableDidRead }: ReadRequest, body: unknown): boolean {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || ArrayBuffer.isView(body)) return false
  if (Object.keys(body).length > 0) return false
  return readableDidRead !== true || String(headers['content-type']).startsWith('multipart/')
}
