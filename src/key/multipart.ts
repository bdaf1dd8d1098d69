import { createHash } from 'node:crypto'

/** Takes the bytes of a multipart body piece by piece. */
export interface MultipartDigest {
  update(bytes: Uint8Array): void
  /** Equal for bodies that differ in their boundary alone; undefined for one that does not have it. */
  end(): string | undefined
}

/** RFC 2046 section 5.1.1: 1 to 70 characters, quoted where they demand it. */
const BOUNDARY = /^multipart\/[^;]+;(?:.*;)?\s*boundary=(?:"([^"\\]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)/i

/**
 * A digest of a multipart body without its boundary, which clients make anew when they build a form for a retry.
 * Undefined for a body of another content type.
 */
export function multipartDigest(contentType: string | undefined): MultipartDigest | undefined {
  const found = contentType === undefined ? null : BOUNDARY.exec(contentType)
  const boundary = found?.[1] ?? found?.[2]
  return boundary === undefined ? undefined : partsOf(Buffer.from(`--${boundary}`))
}

/** Each part goes into the whole by its own digest, so that no two lists of parts give the same. */
function partsOf(delimiter: Buffer): MultipartDigest {
  const whole = createHash('sha256')
  let part = createHash('sha256')
  let parts = 0
  /** What may be the beginning of a delimiter. */
  let rest: Buffer = Buffer.alloc(0)
  return {
    update(bytes) {
      const all = Buffer.concat([rest, bytes])
      let at = 0
      for (let next = all.indexOf(delimiter); next !== -1; next = all.indexOf(delimiter, at)) {
        whole.update(part.update(all.subarray(at, next)).digest())
        part = createHash('sha256')
        parts += 1
        at = next + delimiter.byteLength
      }
      const sure = Math.max(at, all.byteLength - delimiter.byteLength + 1)
      part.update(all.subarray(at, sure))
      rest = all.subarray(sure)
    },
    end: () => (parts === 0 ? undefined : whole.update(part.update(rest).digest()).digest('base64url')),
  }
}
