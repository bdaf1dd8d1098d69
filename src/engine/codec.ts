import { OnefoldError } from '../error/index.ts'

/**
 * The tagged codec: text that gives back undefined, Date, Map, Set, bytes, bigint, NaN, infinities, -0, Error,
 * Headers and URL as they were, so that a replay equals the original. Plain JSON stays plain JSON; a value
 * that JSON cannot carry becomes `{"$of": tag, "v": …}`, and an object that has `$of` itself is wrapped.
 */

const TAG = '$of'
const DEPTH = 256

type Tagged = { readonly [TAG]: string; readonly v?: unknown }

const tag = (name: string, v?: unknown): Tagged => ({ [TAG]: name, v })

/**
 * @throws OnefoldError INPUT_INVALID for values that cannot be given back (functions, symbols, class instances
 * whose data is hidden, cycles); callers turn that into an omitted outcome, never into a lost record.
 */
export function encode(value: unknown): string {
  const path = new Set<object>()
  const pack = (item: unknown, depth: number): unknown => {
    switch (typeof item) {
      case 'string':
      case 'boolean':
        return item
      case 'number':
        if (Number.isFinite(item) && !Object.is(item, -0)) return item
        return tag('number', Object.is(item, -0) ? '-0' : String(item))
      case 'undefined':
        return tag('undefined')
      case 'bigint':
        return tag('bigint', String(item))
      case 'function':
      case 'symbol':
        throw unstorable(`a ${typeof item}`)
      case 'object':
        return item === null ? null : packUnshared(item, depth)
    }
  }
  const packUnshared = (item: object, depth: number): unknown => {
    if (depth > DEPTH) throw unstorable(`nesting deeper than ${DEPTH}`)
    if (path.has(item)) throw unstorable('a cycle')
    path.add(item)
    const packed = packObject(item, (inner) => pack(inner, depth + 1))
    path.delete(item)
    return packed
  }
  return JSON.stringify(pack(value, 0))
}

function packObject(item: object, pack: (inner: unknown) => unknown): unknown {
  if (Array.isArray(item)) return Array.from(item, pack)
  if (item instanceof Date) return tag('date', Number.isNaN(item.getTime()) ? 'invalid' : item.toISOString())
  if (item instanceof Map)
    return tag(
      'map',
      Array.from(item, ([key, inner]) => [pack(key), pack(inner)]),
    )
  if (item instanceof Set) return tag('set', Array.from(item, pack))
  if (item instanceof ArrayBuffer) return tag('buffer', toBase64(new Uint8Array(item)))
  if (ArrayBuffer.isView(item)) {
    // Not by its constructor: a subclass comes back as the kind that it extends.
    const name = Buffer.isBuffer(item) ? 'Buffer' : String((item as Uint8Array)[Symbol.toStringTag])
    if (!Object.hasOwn(VIEWS, name)) throw unstorable(`a ${name}`)
    return tag('bytes', [name, toBase64(new Uint8Array(item.buffer, item.byteOffset, item.byteLength))])
  }
  if (item instanceof Error) return tag('error', packError(item, pack))
  if (item instanceof URL) return tag('url', item.href)
  if (item instanceof RegExp) return tag('regexp', [item.source, item.flags])
  if (item instanceof Headers) return tag('headers', [...item])
  const prototype = Object.getPrototypeOf(item) as object | null
  if (prototype !== Object.prototype && prototype !== null) {
    // A class instance is kept as its own JSON says, else by its members. One that shows none keeps its data where nobody
    // can read it (a Response, a stream, a Blob, private fields): stored as `{}` it would be lost without a word.
    const json = (item as { toJSON?: unknown }).toJSON
    if (typeof json === 'function') return pack(json.call(item))
    if (Object.keys(item).length === 0) throw unstorable(`${nameOf(item)}, whose data is hidden`)
  }
  const entries = Object.keys(item).map((key): [string, unknown] => [key, pack((item as Record<string, unknown>)[key])])
  const plain = fromEntries(entries)
  return Object.hasOwn(item, TAG) ? tag('object', entries) : plain
}

function packError(error: Error, pack: (inner: unknown) => unknown): unknown {
  const own = Object.keys(error).filter((key) => !['name', 'message', 'stack', 'cause'].includes(key))
  // The members of an AggregateError do not enumerate.
  if (Object.hasOwn(error, 'errors') && !own.includes('errors')) own.push('errors')
  return {
    name: error.name,
    message: error.message,
    ...(error.cause === undefined ? {} : { cause: pack(error.cause) }),
    own: own.map((key) => [key, pack((error as unknown as Record<string, unknown>)[key])]),
  }
}

/** The value that {@link encode} was given. @throws SyntaxError on text that it did not make */
export function decode(text: string): unknown {
  try {
    return unpack(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError) throw error
    throw new SyntaxError('this is not a text of the tagged codec', { cause: error })
  }
}

function unpack(item: unknown): unknown {
  if (typeof item !== 'object' || item === null) return item
  if (Array.isArray(item)) return item.map(unpack)
  if (!Object.hasOwn(item, TAG)) {
    return fromEntries(Object.entries(item).map(([key, inner]) => [key, unpack(inner)]))
  }
  const { [TAG]: name, v } = item as Tagged
  switch (name) {
    case 'undefined':
      return undefined
    case 'number':
      return Number(v)
    case 'bigint':
      return BigInt(v as string)
    case 'date':
      return new Date(v as string)
    case 'map':
      return new Map((v as [unknown, unknown][]).map(([key, inner]) => [unpack(key), unpack(inner)]))
    case 'set':
      return new Set((v as unknown[]).map(unpack))
    case 'buffer':
      return fromBase64(v as string).buffer
    case 'bytes':
      return viewOf(v as [string, string])
    case 'url':
      return new URL(v as string)
    case 'regexp':
      return new RegExp((v as [string, string])[0], (v as [string, string])[1])
    case 'headers':
      return new Headers(v as [string, string][])
    case 'object':
      return fromEntries((v as [string, unknown][]).map(([key, inner]) => [key, unpack(inner)]))
    case 'error':
      return unpackError(v as { name: string; message: string; cause?: unknown; own: [string, unknown][] })
    default:
      throw new SyntaxError(`unknown tag ${JSON.stringify(name)}`)
  }
}

function unpackError(stored: { name: string; message: string; cause?: unknown; own: [string, unknown][] }): Error {
  const options = stored.cause === undefined ? undefined : { cause: unpack(stored.cause) }
  const error = new Error(stored.message, options)
  Object.defineProperty(error, 'name', { value: stored.name, configurable: true, writable: true })
  for (const [key, inner] of stored.own) define(error, key, unpack(inner))
  return error
}

const VIEWS: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => unknown>> = {
  Uint8Array: (bytes) => bytes,
  Buffer: (bytes) => Buffer.from(bytes),
  Int8Array: (b) => new Int8Array(b.buffer),
  Uint8ClampedArray: (b) => new Uint8ClampedArray(b.buffer),
  Int16Array: (b) => new Int16Array(b.buffer),
  Uint16Array: (b) => new Uint16Array(b.buffer),
  Int32Array: (b) => new Int32Array(b.buffer),
  Uint32Array: (b) => new Uint32Array(b.buffer),
  Float32Array: (b) => new Float32Array(b.buffer),
  Float64Array: (b) => new Float64Array(b.buffer),
  BigInt64Array: (b) => new BigInt64Array(b.buffer),
  BigUint64Array: (b) => new BigUint64Array(b.buffer),
  DataView: (b) => new DataView(b.buffer),
}

function viewOf([name, base64]: [string, string]): unknown {
  const make = Object.hasOwn(VIEWS, name) ? VIEWS[name] : undefined
  if (make === undefined) throw new SyntaxError(`unknown view ${name}`)
  return make(fromBase64(base64))
}

function fromEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const [key, value] of entries) define(object, key, value)
  return object
}

/** Own property whatever its name: `__proto__` in stored data stays data. */
function define(object: object, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else (object as Record<string, unknown>)[key] = value
}

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, 'base64'))
}

const nameOf = (item: object): string => {
  const { constructor } = item as { readonly constructor?: { readonly name?: unknown } }
  const name = constructor?.name
  return typeof name === 'string' && name !== '' ? `an object of the class ${name}` : 'an object of a class'
}

function unstorable(what: string): OnefoldError {
  return new OnefoldError('INPUT_INVALID', `The result holds ${what}, which cannot be stored and replayed.`, {
    effect: 'done',
  })
}
