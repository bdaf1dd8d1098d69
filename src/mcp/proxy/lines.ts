/** What a stream of bytes is made of. */
export type Line =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  /** A line beyond the limit: its bytes were dropped as they came, so that it cannot fill the memory. */
  | { readonly kind: 'too-long'; readonly length: number }

const NEWLINE = 0x0a

/**
 * Cuts a stream into lines that still have their newline, byte for byte; the last one may lack it. Every byte is looked
 * at once, however small the chunks are. Blank lines are dropped.
 */
export function lineReader(maxBytes: number, onLine: (line: Line) => void): { push(chunk: Buffer): void; end(): void } {
  let parts: Buffer[] = []
  let length = 0

  function emit(tail: Buffer): void {
    const total = length + tail.length
    const bytes = parts.length === 0 ? tail : Buffer.concat([...parts, tail])
    const dropped = total > bytes.length
    parts = []
    length = 0
    if (dropped || total > maxBytes) onLine({ kind: 'too-long', length: total })
    else if (!isBlank(bytes)) onLine({ kind: 'line', bytes })
  }

  return {
    push(chunk) {
      let from = 0
      for (;;) {
        const newline = chunk.indexOf(NEWLINE, from)
        if (newline === -1) break
        emit(chunk.subarray(from, newline + 1))
        from = newline + 1
      }
      if (from === chunk.length) return
      length += chunk.length - from
      if (length > maxBytes) parts = []
      else parts.push(chunk.subarray(from))
    },
    end() {
      if (length > 0) emit(Buffer.alloc(0))
    },
  }
}

function isBlank(bytes: Buffer): boolean {
  if (bytes.length > 16) return false
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d && byte !== NEWLINE) return false
  return true
}
