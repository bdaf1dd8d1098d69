import { isDeepStrictEqual } from 'node:util'
import { parseConfig } from '../../src/config/index.ts'
import { parseDuration, formatDuration } from '../../src/contract/index.ts'
import { decode, encode } from '../../src/engine/index.ts'
import { canonicalize, canonicalizeJson, parseCallerKey, parseJson } from '../../src/key/index.ts'
import { readCallMeta } from '../../src/mcp/proxy/call-meta.ts'
import { lineReader, type Line } from '../../src/mcp/proxy/lines.ts'
import { idKey } from '../../src/mcp/proxy/message-id.ts'
import { readClientLine, readServerLine } from '../../src/mcp/proxy/message.ts'
import { duplicateOf, membersAt, skipSpace } from '../../src/mcp/proxy/spans.ts'
import { applyEdits, NoObject, setMember } from '../../src/mcp/proxy/splice.ts'
import { planted } from './planted.ts'
import { law, orRefused, type Target } from './target.ts'
import { valueFrom } from './values.ts'

const JSON_TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '""',
  '\\',
  '\\u',
  '\\ud800',
  '\\udc00',
  '\\n',
  'true',
  'false',
  'null',
]
const NUMBER_TOKENS = [
  '0',
  '-0',
  '-',
  '.',
  'e',
  'E+',
  '1e400',
  '1E-400',
  '9007199254740993',
  '0.1',
  '1e21',
  '123456789012345678901',
]
const NAME_TOKENS = ['"__proto__":', '"a":', '"a":1', '"$of":', '"v":', '\ufeff', '\u2028', '\u00e9', '\u{1f600}']
/** Tags of the codec, and one that it does not know. */
const TAGS = [
  'number',
  'undefined',
  'bigint',
  'date',
  'map',
  'set',
  'buffer',
  'bytes',
  'error',
  'url',
  'regexp',
  'headers',
  'object',
  'x',
]
const json = [...JSON_TOKENS, ...NUMBER_TOKENS, ...NAME_TOKENS]

/** Building a value from more bytes than this takes longer than what is tested. */
const BUILT_FROM = 8_192

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** The parsers that meet what strangers send. */
export const TARGETS: readonly Target[] = [
  {
    name: 'parse-json',
    covers: /\/src\/key\//,
    tokens: json,
    run(input) {
      const text = input.toString('utf8')
      const ours = orRefused(['INPUT_INVALID'], () => parseJson(text))
      orRefused(['INPUT_INVALID'], () => parseJson(input))
      if (ours === undefined) return
      const theirs = parsed(text)
      law(theirs !== undefined, 'accepted what JSON.parse refuses')
      law(isDeepStrictEqual(plain(ours.value), plain(theirs.value)), 'read another value than JSON.parse')
    },
  },
  {
    name: 'canonicalize-json',
    covers: /\/src\/key\//,
    tokens: json,
    run(input) {
      const text = input.toString('utf8')
      const canonical = orRefused(['INPUT_INVALID'], () => canonicalizeJson(text))
      if (canonical === undefined) return
      law(canonicalizeJson(canonical.value) === canonical.value, 'the canonical form is not its own canonical form')
      law(
        isDeepStrictEqual(plain(parsed(canonical.value)?.value), plain(parsed(text)?.value)),
        'another value in canonical form',
      )
    },
  },
  {
    name: 'canonicalize',
    covers: /\/src\/key\//,
    tokens: [],
    maxBytes: BUILT_FROM,
    run(input) {
      const value = valueFrom(input)
      const canonical = orRefused(['INPUT_INVALID'], () => canonicalize(value))
      if (canonical === undefined) return
      law(canonicalizeJson(canonical.value) === canonical.value, 'canonical text of a value is not canonical as text')
    },
  },
  {
    name: 'caller-key',
    covers: /\/src\/key\//,
    tokens: ['"', '\\"', '\\\\', '\\', ' ', '\t', 'abc', '"abc"', '\u00e9', '\x7f'],
    run(input) {
      const key = orRefused(['KEY_INVALID'], () => parseCallerKey(input.toString('latin1')))
      if (key === undefined) return
      law(/^[!-~]{1,255}$/.test(key.value), 'a key that is not 1 to 255 visible characters')
      const quoted = `"${key.value.replaceAll(/["\\]/g, (found) => `\\${found}`)}"`
      law(parseCallerKey(quoted) === key.value, 'quoted, the same key is another one')
    },
  },
  {
    name: 'duration',
    covers: /\/src\/contract\//,
    tokens: ['ms', 's', 'm', 'h', 'd', '1', '.5', '24h', '0', '99999999999999999', 'hours', ' ', '-', '__proto__'],
    run(input) {
      const ms = orRefused(['CONTRACT_INVALID'], () => parseDuration(input.toString('utf8')))
      if (ms === undefined) return
      law(Number.isSafeInteger(ms.value) && ms.value >= 0, 'not whole milliseconds')
      law(parseDuration(formatDuration(ms.value)) === ms.value, 'written out, it is another duration')
    },
  },
  {
    name: 'codec-round-trip',
    covers: /\/src\/engine\/codec/,
    tokens: [],
    maxBytes: BUILT_FROM,
    run(input) {
      const value = valueFrom(input)
      const text = orRefused(['INPUT_INVALID'], () => encode(value))
      if (text === undefined) return
      const back = decode(text.value)
      law(encode(back) === text.value, 'decoded and encoded again, it is another text')
      law(isDeepStrictEqual(back, value) || text.value.includes('toJSON'), 'decoded, it is another value')
    },
  },
  {
    name: 'codec-garbage',
    covers: /\/src\/engine\/codec/,
    tokens: [...json, ...TAGS.map((tag) => `{"$of":"${tag}","v":`), '["Uint16Array","AAA="]', '[["a",1]]'],
    run(input) {
      try {
        decode(input.toString('utf8'))
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error
      }
    },
  },
  {
    name: 'lines',
    covers: /\/src\/mcp\/proxy\/lines/,
    maxBytes: 16_384,
    tokens: ['\n', '\r\n', ' ', '\n\n', '{}', 'aaaaaaaaaaaaaaaa'],
    run(input) {
      const whole = linesOf([input])
      const [size = 1] = input
      const pieces = Array.from({ length: Math.ceil(input.length / (1 + (size % 7))) }, (_, index) =>
        input.subarray(index * (1 + (size % 7)), (index + 1) * (1 + (size % 7))),
      )
      law(isDeepStrictEqual(linesOf(pieces), whole), 'other lines when the bytes come in other pieces')
    },
  },
  {
    name: 'client-line',
    covers: /\/src\/mcp\/proxy\/(message|spans|splice|call-meta)/,
    tokens: [
      ...json,
      '"jsonrpc":"2.0"',
      '"id":1',
      '"method":"tools/call"',
      '"params":{',
      '"name":"t"',
      '"arguments":{}',
      '"_meta":{',
      '"requestId":"\\u0061"',
      '"io.onefold/occurrence":1',
    ],
    run: runClientLine,
  },
  {
    name: 'server-line',
    covers: /\/src\/mcp\/proxy\/(message|spans)/,
    tokens: [...json, '"jsonrpc":"2.0"', '"id":1', '"result":{', '"error":{', '"method":"m"', '"content":[]'],
    run(input) {
      const text = input.toString('utf8')
      const message = readServerLine(text)
      if (message === undefined) return
      const value = parsed(text)?.value as Record<string, unknown>
      if (duplicateOf(membersAt(text, skipSpace(text, 0)) ?? []) !== undefined) return
      for (const part of ['id', 'result', 'error'] as const) {
        const own = message[part]
        law((own !== undefined) === Object.hasOwn(value, part), `${part}: found, or not, against JSON.parse`)
        if (own !== undefined) law(isDeepStrictEqual(JSON.parse(own), value[part]), `${part}: another value`)
      }
      if (message.id !== undefined) law(idKey(idKey(message.id)) === idKey(message.id), 'an id key that is not settled')
    },
  },
  {
    name: 'config',
    covers: /\/src\/config\//,
    // The YAML parser takes 6 µs a byte, so a file that the machine's owner wrote may be larger than what passes here.
    maxBytes: 2_048,
    tokens: [
      '\n',
      '  ',
      '    ',
      ': ',
      '- ',
      '#',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '&a ',
      '*a',
      '<<: *a',
      '!!',
      '|',
      '---\n',
      'store: sqlite:./x.db\n',
      'mcp:\n',
      '  tools:\n',
      'identity:',
      'recovery:',
      'keyed',
      'probe',
      'window: 24h',
      'timing:',
      'lease: 5s',
      'keySecret: { env: A }',
      'effect: write',
      '\t',
    ],
    run(input) {
      orRefused(['CONFIG_INVALID'], () => parseConfig(input.toString('utf8'), '/folder/onefold.yaml', { A: 'secret' }))
    },
  },
]

/** Has a bug five bytes deep: shows that the search finds its way in. Not one of the targets. */
export const PLANTED: Target = { name: 'planted', covers: /\/test\/fuzz\/planted/, tokens: [], run: planted }

/** A bigint as the double that JSON.parse makes of it, and -0 as 0, which it equals in canonical form. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'number') return Number(value) + 0
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const object: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(value)) {
    Object.defineProperty(object, name, {
      value: plain(inner),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return object
}

function linesOf(chunks: readonly Buffer[]): Line[] {
  const lines: Line[] = []
  const reader = lineReader(64, (line) => lines.push(line))
  for (const chunk of chunks) reader.push(chunk)
  reader.end()
  return lines.map((line) => (line.kind === 'line' ? { kind: 'line', bytes: Buffer.from(line.bytes) } : line))
}

function runClientLine(input: Buffer): void {
  const message = readClientLine(input)
  if (message.kind === 'refused') law(message.message.length < 2_000 + input.length, 'a refusal without end')
  if (message.kind !== 'call') return
  const { text } = message
  const whole = JSON.parse(text) as { id: unknown; params: Record<string, unknown> }
  const at = (span: { start: number; end: number }): unknown => JSON.parse(text.slice(span.start, span.end))
  law(isDeepStrictEqual(at(message.id), whole.id), 'another id')
  law(isDeepStrictEqual(at(message.params), whole.params), 'other params')
  law(message.tool === whole.params['name'], 'another tool')
  if (message.arguments !== undefined)
    law(isDeepStrictEqual(at(message.arguments), whole.params['arguments']), 'other arguments')
  orRefused(['INPUT_INVALID', 'KEY_INVALID'], () => readCallMeta(message, whole.params['arguments']))
  let edited: string
  try {
    edited = applyEdits(text, [setMember(text, message.params.start, ['_meta', 'io.onefold/set'], '"new"')])
  } catch (error) {
    if (error instanceof NoObject) return
    throw error
  }
  const after = JSON.parse(edited) as { params: { _meta: Record<string, unknown> } }
  law(
    after.params._meta['io.onefold/set'] === 'new' || hasTwice(text, message.meta),
    'a member that was set is not there',
  )
  const { _meta: _before, ...others } = whole.params
  const { _meta: _after, ...othersAfter } = after.params
  law(isDeepStrictEqual(others, othersAfter), 'setting one member changed another')
}

const hasTwice = (text: string, span: { readonly start: number } | undefined): boolean =>
  span !== undefined && duplicateOf(membersAt(text, span.start) ?? []) !== undefined
