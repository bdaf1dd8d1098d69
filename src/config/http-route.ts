import { parseDuration, type Duration } from '../contract/index.ts'
import {
  readPattern,
  type DeclaredProbe,
  type DeclaredRecovery,
  type DeclaredRoute,
  type DeclaredWrite,
  type KeyRule,
} from '../http/exchange/index.ts'
import { readErrors } from './http-errors.ts'
import { refuseContradictions } from './contradiction.ts'
import type { Reader, Value } from './reader.ts'

const WORDS = [
  'match',
  'effect',
  'key',
  'identity',
  'ignore',
  'scope',
  'recovery',
  'retention',
  'retryHorizon',
  'timeout',
  'errors',
  'verify',
  'occurrenceField',
  'amount',
  'exclusive',
  'version',
] as const

type Scope = 'tenant' | 'session' | 'run'

const ROOTS = ['body', 'path', 'query', 'headers']
const CHOOSE = 'Write recovery: manual, { keyed: 24h } or { probe: { get: /v1/orders?ref={body.ref} }, settle: 5s }'

/** Reads one entry of `http.routes`. */
export function readRoute(reader: Reader, value: Value, quarantineMs: number): DeclaredRoute {
  const words = reader.known(value, WORDS)
  if (words.match === undefined)
    return reader.fail(value, 'does not say which requests it is for', 'Write match: POST /v1/orders')
  const match = reader.text(words.match)
  const pattern = readPattern(match)
  if ('problem' in pattern) return reader.fail(words.match, pattern.problem, pattern.fix)
  const effect = words.effect === undefined ? 'write' : reader.choice(words.effect, ['read', 'write'])
  if (effect === 'read') {
    for (const [word, found] of Object.entries(words)) {
      if (word !== 'effect' && word !== 'match' && found !== undefined)
        reader.fail(found, 'has no meaning for a read', 'Remove it, or write effect: write')
    }
    return { match, rule: { effect: 'read' } }
  }
  if (['GET', 'HEAD', 'OPTIONS'].includes(pattern.method) && words.effect === undefined)
    return reader.fail(value, `is for ${pattern.method} and does not say its effect`, 'Write effect: read')
  const paths = (found: Value | undefined): readonly string[] | undefined =>
    found === undefined ? undefined : reader.list(found).map((one) => readPath(reader, one, pattern.names))
  const identity =
    words.identity === undefined
      ? undefined
      : reader.isText(words.identity)
        ? reader.choice(words.identity, ['all'])
        : paths(words.identity)
  const key =
    words.key === undefined ? undefined : reader.choice<KeyRule>(words.key, ['required', 'accepted', 'derived'])
  if (identity === undefined && key !== 'required') {
    return reader.fail(
      words.key ?? value,
      key === undefined ? 'needs identity, or key: required' : `is ${key}, so it needs identity`,
      'Write identity: [body.order_id], identity: all, or key: required',
    )
  }
  if (words.recovery === undefined) return reader.fail(value, 'needs recovery: what settles an unknown outcome', CHOOSE)
  const rule: DeclaredWrite = {
    effect: 'write',
    key: key ?? 'derived',
    identity,
    recovery: readRecovery(reader, words.recovery, quarantineMs),
    ignore: paths(words.ignore),
    scope: words.scope === undefined ? undefined : reader.choice<Scope>(words.scope, ['tenant', 'session', 'run']),
    version: words.version === undefined ? undefined : reader.wholeNumber(words.version, 1),
    retention: duration(reader, words.retention),
    retryHorizon: duration(reader, words.retryHorizon),
    timeout: duration(reader, words.timeout),
    errors: words.errors === undefined ? undefined : readErrors(reader, words.errors),
    verify: words.verify === undefined ? undefined : readProbe(reader, words.verify, ['answer']),
    occurrenceField:
      words.occurrenceField === undefined ? undefined : readPath(reader, words.occurrenceField, pattern.names),
    amount: words.amount === undefined ? undefined : readPath(reader, words.amount, pattern.names),
    exclusive: paths(words.exclusive),
  }
  checkTogether(reader, value, rule)
  return { match, rule }
}

const duration = (reader: Reader, value: Value | undefined): Duration | undefined =>
  value === undefined ? undefined : reader.duration(value)

/** A dotted path into the request. */
function readPath(reader: Reader, value: Value, names: readonly string[]): string {
  const text = reader.text(value)
  const [root = '', ...steps] = text.split('.')
  if (!ROOTS.includes(root))
    return reader.fail(value, `begins with ${JSON.stringify(root)}`, `Write body.${text}, or path., query. or headers.`)
  if (root === 'body' ? steps.includes('') : steps.length === 0 || steps.includes(''))
    return reader.fail(value, 'is no path', 'Write body.order_id')
  if (root === 'path' && !names.includes(steps.join('.')))
    return reader.fail(
      value,
      `names ${steps.join('.')}, which the route does not have`,
      names.length === 0 ? 'Write a :name into match' : `Write ${names.map((name) => `path.${name}`).join(' or ')}`,
    )
  return root === 'headers' ? text.toLowerCase() : text
}

function readRecovery(reader: Reader, value: Value, quarantineMs: number): DeclaredRecovery {
  if (!reader.isMap(value)) {
    const word = reader.choice(value, ['manual', 'keyed', 'probe', 'idempotent', 'transactional', 'composite'])
    if (word === 'manual') return { class: 'manual' }
    if (word === 'keyed')
      return reader.fail(value, 'needs to know how long the service honours a key', 'Write { keyed: 24h }')
    if (word === 'probe') return reader.fail(value, 'needs something to ask', CHOOSE)
    return reader.fail(value, `cannot be ${word} behind a gateway: that needs code of your own`, CHOOSE)
  }
  const words = reader.known(value, ['keyed', 'header', 'probe', 'settle'])
  const probe = words.probe === undefined ? undefined : readProbe(reader, words.probe, [...ROOTS, 'key'])
  const settle = duration(reader, words.settle)
  if (words.keyed !== undefined) {
    const window = reader.duration(words.keyed)
    if (parseDuration(window) <= 2 * quarantineMs) {
      return reader.fail(
        words.keyed,
        'is too short to be used: a re-send must end twice the quarantine before it',
        `Write more than ${(2 * quarantineMs) / 1000}s, or a shorter timing.quarantine`,
      )
    }
    const header = words.header === undefined ? undefined : reader.text(words.header).toLowerCase()
    return { class: 'keyed', window, header, probe, settle }
  }
  if (words.header !== undefined)
    return reader.fail(words.header, 'has no meaning without keyed', 'Write keyed: 24h beside it')
  if (probe === undefined) return reader.fail(value, 'says no class', CHOOSE)
  if (settle === undefined)
    return reader.fail(
      value,
      'needs settle: how long the reads of the service may lag behind its writes',
      'Write settle: 5s',
    )
  return { class: 'probe', probe, settle }
}

/** A GET, with placeholders that begin with one of `roots`. */
function readProbe(reader: Reader, value: Value, roots: readonly string[]): DeclaredProbe {
  const words = reader.known(value, ['get', 'found'])
  if (words.get === undefined)
    return reader.fail(value, 'does not say what to ask', 'Write get: /v1/orders?ref={body.ref}')
  const get = reader.text(words.get)
  if (!get.startsWith('/') || get.startsWith('//'))
    return reader.fail(words.get, 'must be a path of the same service', 'Write get: /v1/orders?ref={body.ref}')
  for (const [, path = ''] of get.matchAll(/\{([^{}]*)\}/g)) {
    if (!roots.includes(path.split('.')[0] ?? ''))
      reader.fail(
        words.get,
        `cannot fill {${path}}`,
        `Write ${roots.map((root) => (root === 'key' ? '{key}' : `{${root}.…}`)).join(', ')}`,
      )
  }
  const found = words.found === undefined ? undefined : reader.text(words.found)
  if (found !== undefined && (!found.startsWith('body.') || found.split('.').includes('')))
    return reader.fail(words.found as Value, 'is no path into the answer', 'Write found: body.id')
  return { get, found }
}

/** The rules of contracts that no single key shows: told at the route's line. */
function checkTogether(reader: Reader, value: Value, rule: DeclaredWrite): void {
  const { recovery, key, verify: _verify, errors: _errors, ...rest } = rule
  const callerKey = key === 'required' ? 'required' : 'ignored'
  refuseContradictions(reader, value, { ...rest, name: 'route', callerKey }, recovery)
}
