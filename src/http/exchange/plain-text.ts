import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import type { Answer } from './answer.ts'

/** What a body may become that is only looked into; a small one can be made to become endless. */
const MOST_BYTES = 8 * 1024 * 1024

type Decode = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array

/** RFC 9110 section 8.4.1, RFC 7932, RFC 8878. */
const CODINGS: Readonly<Record<string, Decode>> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
}

/**
 * The text of an answer without its content coding; undefined where there is none, or where it cannot be read. Clients
 * ask for compression by themselves, so what an operator says about an answer must not depend on it.
 */
export function plainText({ headers, body }: Answer): string | undefined {
  if (body === undefined) return undefined
  const codings = headers
    .flatMap(([name, value]) => (name === 'content-encoding' ? value.toLowerCase().split(',') : []))
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
  if (codings.length === 0) return typeof body === 'string' ? body : undefined
  try {
    let bytes: Uint8Array = Buffer.from(body as Uint8Array)
    for (const coding of codings.toReversed()) {
      const decode = CODINGS[coding]
      if (decode === undefined) return undefined
      bytes = decode(bytes, { maxOutputLength: MOST_BYTES })
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // A program may name a coding that its bytes do not have.
    return typeof body === 'string' ? body : undefined
  }
}
