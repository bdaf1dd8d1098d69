import { OnefoldError } from '../error/index.ts'
import { MAX_NUMBER_LENGTH, resolveLimits, type JsonLimits } from './limits.ts'
import { refusal } from './refuse.ts'

/** What `writeCanonical` may let pass beyond what `canonicalize` does. */
export interface CanonicalOptions extends JsonLimits {
  /**
   * `'allow'` only for doubles that `parseJson` has found to equal their text; a double of 2^53 and more that
   * comes from elsewhere may already have lost the digits that told two ids apart.
   * @default 'refuse'
   */
  readonly unsafeIntegers?: 'refuse' | 'allow'
}

interface Frame {
  readonly source: object
  /** Sorted member names; undefined for an array. */
  readonly names: readonly string[] | undefined
  readonly length: number
  index: number
  empty: boolean
}

// No integer of MAX_NUMBER_LENGTH decimal digits needs more bits.
const MAX_INTEGER_BITS = Math.ceil(MAX_NUMBER_LENGTH * Math.log2(10)) + 1

function pathOf(frames: readonly Frame[]): (string | number)[] {
  return frames.flatMap((frame) =>
    frame.index === 0 ? [] : [frame.names === undefined ? frame.index - 1 : (frame.names[frame.index - 1] as string)],
  )
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  // An Object.prototype of another realm (vm contexts, test runners).
  return (
    typeof prototype === 'object' &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  )
}

function nameOfKind(value: object): string {
  const tag = Object.prototype.toString.call(value).slice(8, -1)
  return tag === 'Object' ? 'a class instance' : `a ${tag}`
}

/** Opens an array or object. @returns the frame, or the reason why the value has no canonical form */
function open(value: object, maxItems: number): Frame | string {
  if (Array.isArray(value)) {
    // Array.prototype is itself an array, in every realm; the prototype of a subclass is not.
    if (!Array.isArray(Object.getPrototypeOf(value))) return 'an instance of an array subclass is not JSON'
    if (value.length > maxItems) return 'the array has too many elements'
    if (Object.keys(value).length > value.length) return 'an array with named properties is not JSON'
    return { source: value, names: undefined, length: value.length, index: 0, empty: true }
  }
  if (!isPlain(value)) return `${nameOfKind(value)} is not JSON; convert it to text, a number or a plain object first`
  if (Object.getOwnPropertySymbols(value).length > 0) return 'a member named by a symbol is not JSON'
  const names = Object.keys(value)
  if (names.length > maxItems) return 'the object has too many members'
  // Without a comparator `sort` compares UTF-16 code units, as RFC 8785 section 3.2.3 demands.
  return { source: value, names: names.sort(), length: names.length, index: 0, empty: true }
}

function writeInteger(value: bigint): string | undefined {
  return BigInt.asIntN(MAX_INTEGER_BITS, value) === value ? value.toString() : undefined
}

function write(root: unknown, options: CanonicalOptions | undefined, frames: Frame[]): string {
  const { maxBytes, maxDepth } = resolveLimits(options)
  const allowUnsafe = options?.unsafeIntegers === 'allow'
  const fail = (reason: string): never => {
    throw refusal(pathOf(frames), reason)
  }
  const quote = (text: string): string => {
    if (text.length > maxBytes) fail(`the canonical form is larger than ${maxBytes} bytes`)
    if (!text.isWellFormed()) fail('a lone surrogate is not text')
    return JSON.stringify(text)
  }
  let out = ''
  let value = root
  // Members that are undefined write nothing, so the size of the output alone does not bound the work.
  let budget = maxBytes

  for (;;) {
    switch (typeof value) {
      case 'string':
        out += quote(value)
        break
      case 'number':
        if (!Number.isFinite(value)) fail('NaN and the infinities are not JSON numbers')
        if (!allowUnsafe && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
          fail('an integer beyond 2^53-1 may have lost digits; use a bigint or text')
        }
        out += String(value)
        break
      case 'bigint':
        out += writeInteger(value) ?? fail(`an integer may have at most ${MAX_NUMBER_LENGTH} digits`)
        break
      case 'boolean':
        out += value ? 'true' : 'false'
        break
      case 'object': {
        if (value === null) {
          out += 'null'
          break
        }
        for (const frame of frames) if (frame.source === value) fail('the value contains itself')
        if (frames.length >= maxDepth) fail(`nested more than ${maxDepth} deep`)
        const frame = open(value, budget)
        if (typeof frame === 'string') return fail(frame)
        budget -= frame.length
        frames.push(frame)
        out += frame.names === undefined ? '[' : '{'
        break
      }
      case 'undefined':
        return fail('undefined is not JSON')
      case 'function':
      case 'symbol':
        return fail(`a ${typeof value} is not JSON`)
    }
    if (out.length > maxBytes) fail(`the canonical form is larger than ${maxBytes} bytes`)

    for (;;) {
      const frame = frames.at(-1)
      if (frame === undefined) {
        if (Buffer.byteLength(out) > maxBytes) fail(`the canonical form is larger than ${maxBytes} bytes`)
        return out
      }
      if (frame.index === frame.length) {
        out += frame.names === undefined ? ']' : '}'
        frames.pop()
        continue
      }
      const name = frame.names === undefined ? String(frame.index) : (frame.names[frame.index] as string)
      const property = Object.getOwnPropertyDescriptor(frame.source, name)
      frame.index += 1
      if (property === undefined) return fail('an array with holes is not JSON')
      if (!('value' in property)) return fail('an accessor may answer differently each time; use a plain value')
      value = property.value
      if (frame.names === undefined) {
        if (!frame.empty) out += ','
      } else {
        if (value === undefined) continue
        out += (frame.empty ? '' : ',') + quote(name) + ':'
      }
      frame.empty = false
      break
    }
  }
}

/** {@link canonicalize} with the options that only this room uses. */
export function writeCanonical(value: unknown, options?: CanonicalOptions): string {
  const frames: Frame[] = []
  try {
    return write(value, options, frames)
  } catch (error) {
    if (error instanceof OnefoldError) throw error
    // A proxy's traps may throw anything.
    throw refusal(pathOf(frames), 'the value cannot be read', error)
  }
}

/**
 * Writes a value in the canonical form of RFC 8785: members sorted by UTF-16 code units, numbers in ECMAScript's
 * shortest form, no space. Equal values give equal text and different values different text, so whatever would be
 * merged is refused: NaN and the infinities, integers beyond ±(2^53-1) given as numbers, lone surrogates, undefined
 * in arrays, holes, functions, symbols, accessors, cycles, and objects that are not plain (Date, Map, Set, classes).
 *
 * A member that is undefined counts as absent; a bigint is written as its digits, so `2n` equals `2`; `-0` equals `0`.
 * @throws OnefoldError INPUT_INVALID with `details.path` and `details.reason`
 */
export function canonicalize(value: unknown, limits?: JsonLimits): string {
  return writeCanonical(value, limits === undefined ? undefined : { ...limits, unsafeIntegers: 'refuse' })
}
