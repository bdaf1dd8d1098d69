import { parseDuration } from '../contract/index.ts'
import type { KeyPlaceConfig, ProbeConfig, RecoveryConfig } from './config.ts'
import type { Reader, Value } from './reader.ts'

/** What a tool says before its recovery is read. */
export interface AboutTool {
  readonly identity: readonly string[] | 'all' | undefined
  /** Half of the shortest window that keyed recovery can use. */
  readonly quarantineMs: number
}

const CHOOSE =
  'Write recovery: manual, { keyed: 24h, key: arguments.x } or { probe: { tool, arguments, found }, settle: 5s }'

/** Reads `recovery:` of a tool. */
export function readRecovery(reader: Reader, value: Value, about: AboutTool): RecoveryConfig {
  if (!reader.isMap(value)) {
    const word = reader.choice(value, ['manual', 'keyed', 'probe', 'idempotent', 'transactional', 'composite'])
    if (word === 'manual') return { class: 'manual' }
    if (word === 'keyed')
      return reader.fail(
        value,
        'needs to know how long the server honours a key, and where it takes it',
        'Write { keyed: 24h, key: arguments.idempotency_key }',
      )
    if (word === 'probe')
      return reader.fail(value, 'needs a tool to ask', 'Write { probe: { tool, arguments, found }, settle: 5s }')
    return reader.fail(value, `cannot be ${word} behind a proxy: that needs code of your own`, CHOOSE)
  }
  const words = reader.known(value, ['keyed', 'key', 'probe', 'settle'])
  const probe = words.probe === undefined ? undefined : readProbe(reader, words.probe, about)
  const settle = words.settle === undefined ? undefined : reader.duration(words.settle)
  if (words.keyed !== undefined) {
    const window = reader.duration(words.keyed)
    if (parseDuration(window) <= 2 * about.quarantineMs) {
      return reader.fail(
        words.keyed,
        'is too short to be used: a re-send must end twice the quarantine before it',
        `Write more than ${(2 * about.quarantineMs) / 1000}s, or a shorter timing.quarantine`,
      )
    }
    if (words.key === undefined)
      return reader.fail(
        value,
        'does not say where the server takes the key',
        'Write key: arguments.idempotency_key or key: _meta',
      )
    return { class: 'keyed', window, key: readKeyPlace(reader, words.key, about), probe, settle }
  }
  if (words.key !== undefined)
    return reader.fail(words.key, 'has no meaning without keyed', 'Write keyed: 24h beside it')
  if (probe === undefined) return reader.fail(value, 'says no class', CHOOSE)
  if (settle === undefined)
    return reader.fail(value, "needs settle: how long the server's reads may lag behind its writes", 'Write settle: 5s')
  return { class: 'probe', probe, settle }
}

function readKeyPlace(reader: Reader, value: Value, about: AboutTool): KeyPlaceConfig {
  const text = reader.text(value)
  if (text === '_meta') return { in: '_meta' }
  const [first, ...path] = text.split('.')
  if (first !== 'arguments' || path.length === 0 || path.includes('')) {
    return reader.fail(value, `cannot be ${JSON.stringify(text)}`, 'Write arguments.NAME_OF_THE_ARGUMENT or _meta')
  }
  const field = path.join('.')
  if (Array.isArray(about.identity) && (about.identity as readonly string[]).includes(field)) {
    return reader.fail(
      value,
      `names ${field}, which is part of the identity`,
      'The key is made from the identity, so it cannot be in it: take it out of identity',
    )
  }
  return { in: 'arguments', path }
}

function readProbe(reader: Reader, value: Value, about: AboutTool): ProbeConfig {
  const words = reader.known(value, ['tool', 'arguments', 'found'])
  if (words.tool === undefined) return reader.fail(value, 'does not say which tool to ask', 'Write tool: find_booking')
  if (words.found === undefined)
    return reader.fail(
      value,
      'does not say where its answer shows the effect',
      'Write found: structuredContent.booking.id',
    )
  const found = reader.text(words.found)
  if (found.split('.').includes(''))
    return reader.fail(words.found, 'is no path', 'Write found: structuredContent.booking.id')
  if (words.arguments !== undefined && !reader.isMap(words.arguments)) {
    return reader.fail(words.arguments, 'must be a map', 'Write arguments: { ref: $identity.FIELD }')
  }
  if (words.arguments !== undefined) checkReferences(reader, words.arguments, about)
  return {
    tool: reader.text(words.tool),
    arguments:
      words.arguments === undefined ? {} : (reader.plain(words.arguments) as Readonly<Record<string, unknown>>),
    found,
  }
}

/** Every `$…` must mean something: a misspelt reference would ask after another operation. */
function checkReferences(reader: Reader, value: Value, about: AboutTool): void {
  if (reader.isMap(value)) {
    for (const inner of reader.entries(value).values()) checkReferences(reader, inner, about)
  } else if (reader.isList(value)) {
    for (const inner of reader.list(value)) checkReferences(reader, inner, about)
  } else if (reader.isText(value)) {
    checkReference(reader, value, about.identity)
  }
}

function checkReference(reader: Reader, value: Value, identity: AboutTool['identity']): void {
  const text = reader.text(value)
  if (!text.startsWith('$') || text.startsWith('$$') || text === '$key') return
  const [, kind, path = ''] = /^\$(identity|input)\.(.+)$/.exec(text) ?? []
  if (kind === undefined) {
    reader.fail(
      value,
      `cannot be ${JSON.stringify(text)}`,
      'Write $identity.FIELD, $input.FIELD or $key; $$ for a dollar sign',
    )
  }
  if (kind !== 'identity' || identity === undefined || identity === 'all') return
  if (identity.some((field) => field === path || path.startsWith(`${field}.`))) return
  const known = identity.map((field) => `$identity.${field}`).join(', ')
  reader.fail(value, `names ${path}, which is not part of the identity`, `Write $input.${path}, or one of ${known}`)
}
