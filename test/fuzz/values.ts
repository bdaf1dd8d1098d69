/**
 * Builds a value from bytes, so that mutations of bytes become mutations of values: each byte chooses a kind, the next
 * ones fill it. Ends with the bytes.
 */
export function valueFrom(bytes: Buffer): unknown {
  let at = 0
  const byte = (): number => bytes[at++] ?? 0
  const text = (): string => {
    const length = byte() % 12
    const piece = bytes.subarray(at, at + length)
    at += length
    return piece.length % 2 === 0 && piece.some((code) => code >= 0xd8)
      ? piece.toString('utf16le')
      : piece.toString('latin1')
  }
  const name = (): string => NAMES[byte()] ?? text()
  const read = (depth: number): unknown => {
    if (depth > 40 || at >= bytes.length) return null
    const many = <T>(make: () => T): T[] => Array.from({ length: byte() % 5 }, make)
    const inner = (): unknown => read(depth + 1)
    switch (byte() % 24) {
      case 0:
        return undefined
      case 1:
        return byte() % 2 === 0
      case 2:
        return byte() - 128
      case 3:
        return NUMBERS[byte() % NUMBERS.length]
      case 4:
        return bytes.length - at >= 8 ? bytes.readDoubleLE((at += 8) - 8) : 0.5
      case 5:
        return BigInt(byte()) ** BigInt(byte() % 40)
      case 6:
        return new Date(DATES[byte() % DATES.length] as number)
      case 7:
        return new Map(many(() => [inner(), inner()]))
      case 8:
        return new Set(many(inner))
      case 9:
        return Buffer.from(text(), 'latin1')
      case 10:
        return new Float64Array(many(byte))
      case 11:
        return Object.assign(new Error(text(), byte() % 2 === 0 ? {} : { cause: inner() ?? null }), { code: text() })
      case 12:
        return new URL(`https://example.com/${encodeURIComponent(text().toWellFormed())}`)
      case 13:
        return new Headers(many((): [string, string] => ['x-a', String(byte())]))
      case 14:
        return /a+/gu
      case 15:
        return new Uint16Array(many(byte))
      case 16:
      case 17:
        return many(inner)
      case 18:
      case 19:
      case 20: {
        const object: Record<string, unknown> = {}
        for (let left = byte() % 5; left > 0; left -= 1) {
          Object.defineProperty(object, name(), {
            value: inner(),
            enumerable: true,
            configurable: true,
            writable: true,
          })
        }
        return object
      }
      default:
        return text()
    }
  }
  return read(0)
}

const NAMES: Readonly<Record<number, string>> = {
  0: '$of',
  1: '__proto__',
  2: 'v',
  3: 'toJSON',
  4: 'constructor',
  5: 'length',
}
const NUMBERS = [
  0,
  -0,
  NaN,
  Infinity,
  -Infinity,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  1e21,
  1e-7,
  5e-324,
  1.7976931348623157e308,
]
const DATES = [0, NaN, 8.64e15, -8.64e15, 1_700_000_000_000, -62_198_755_200_000]
