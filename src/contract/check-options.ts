import { contractError } from './contract-error.ts'
import { isFieldPath, overlap } from './fields.ts'
import { nearest } from './nearest.ts'
import { jsonSchemaOf, misspelt } from './schema-fields.ts'

/** A tool's options before anything is known about them. */
export type RawOptions = Readonly<Record<string, unknown>>

const READ_OPTIONS = ['name', 'description', 'input', 'effect', 'execute']

const WRITE_OPTIONS = [
  ...READ_OPTIONS,
  'version',
  'replaysFrom',
  'supersedes',
  'identity',
  'ignore',
  'scope',
  'retention',
  'retryHorizon',
  'recovery',
  'prepare',
  'verify',
  'compensate',
  'errors',
  'timeout',
  'sends',
  'exclusive',
  'near',
  'callerKey',
  'notice',
  'occurrenceField',
  'amount',
]

/** What other libraries call the same thing. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  compensation: 'compensate',
  handler: 'execute',
  idempotencyKey: 'callerKey',
  inputSchema: 'input',
  key: 'identity',
  lock: 'exclusive',
  parameters: 'input',
  run: 'execute',
  schema: 'input',
  ttl: 'retention',
  undo: 'compensate',
}

const SCOPES = ['tenant', 'session', 'run', 'parent']

const RECOVERIES = ['keyed', 'probe', 'transactional', 'idempotent', 'manual', 'composite']

const CHOOSE_RECOVERY =
  "Say what settles an unknown outcome: recovery: keyed('24h') | probe(fn, { settle }) | transactional() | " +
  'idempotent({ precondition }) | manual() | composite()'

const LONGEST_NAME = 128

/** 1 to 128 visible ASCII characters: names go into keys, headers, spans and file names of reports. */
function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length < 1 || value.length > LONGEST_NAME) return false
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i)
    if (code < 0x21 || code > 0x7e) return false
  }
  return true
}

function isRaw(value: unknown): value is RawOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMajor(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
}

function list(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' | ')
}

function checkWords(name: unknown, options: RawOptions, effect: unknown): void {
  const known = effect === 'read' ? READ_OPTIONS : WRITE_OPTIONS
  for (const word of Object.keys(options)) {
    if (known.includes(word) || options[word] === undefined) continue
    if (effect === 'read' && WRITE_OPTIONS.includes(word)) {
      throw contractError(
        name,
        `a read is not ledgered, so ${word} has no meaning`,
        `Remove ${word}, or write effect: 'write' if the tool changes anything`,
      )
    }
    const other = Object.hasOwn(OTHER_WORDS, word) ? OTHER_WORDS[word] : undefined
    const meant = other ?? nearest(word, known)
    throw contractError(
      name,
      `there is no option ${JSON.stringify(word)}`,
      meant === undefined ? `The options are ${known.join(', ')}` : `Did you mean ${meant}?`,
    )
  }
}

function checkFunction(name: unknown, options: RawOptions, word: string, example: string): void {
  if (options[word] === undefined || typeof options[word] === 'function') return
  throw contractError(name, `${word} must be a function`, `Write ${word}: ${example}`)
}

/** Checks that an option is one of a few words. */
function checkChoice(name: unknown, options: RawOptions, word: string, choices: readonly string[]): void {
  const value = options[word]
  if (value === undefined || choices.includes(value as string)) return
  const meant = typeof value === 'string' ? nearest(value, choices) : undefined
  throw contractError(
    name,
    `${word} cannot be ${typeof value === 'string' ? `'${value.slice(0, 40)}'` : typeof value}`,
    meant === undefined ? `Write ${word}: ${list(choices)}` : `Did you mean '${meant}'?`,
  )
}

function checkPaths(name: unknown, word: string, value: unknown, jsonSchema: unknown, mayBeEmpty: boolean): void {
  if (!Array.isArray(value) || (value.length === 0 && !mayBeEmpty)) {
    throw contractError(
      name,
      `${word} must be a list of input fields`,
      `Write ${word}: ['orderId'], dotted for nested fields`,
    )
  }
  for (const path of value as unknown[]) {
    if (!isFieldPath(path)) {
      throw contractError(
        name,
        `${word} has an entry that is no field name`,
        `Write field names as 'orderId' or 'customer.id'`,
      )
    }
    const wrong = misspelt(jsonSchema, path)
    if (wrong === undefined) continue
    throw contractError(
      name,
      `${word} names ${JSON.stringify(path)}, which the input does not have`,
      wrong.nearest === undefined ? `Name a field of the input schema` : `Did you mean ${wrong.nearest}?`,
    )
  }
  if (new Set(value).size !== value.length) {
    throw contractError(name, `${word} names a field twice`, 'Name each field once')
  }
}

function checkIdentity(name: unknown, options: RawOptions, jsonSchema: unknown): void {
  const { identity, ignore, occurrenceField } = options
  if (identity === undefined) {
    if (options['callerKey'] === 'required') return
    throw contractError(
      name,
      'a write needs identity: which input fields make two calls the same operation',
      `Write identity: ['orderId'] (or 'all', 'sequence', a function of the input)`,
    )
  }
  if (identity === 'sequence' && options['compensate'] !== undefined) {
    throw contractError(
      name,
      "identity: 'sequence' names a call by its place in its run, which an undo cannot name again",
      "Name it by its fields, as identity: ['orderId'], or remove compensate",
    )
  }
  if (identity === 'all' || identity === 'sequence' || typeof identity === 'function') return
  if (typeof identity === 'string') {
    const meant = nearest(identity, ['all', 'sequence'])
    throw contractError(
      name,
      `identity cannot be '${identity.slice(0, 40)}'`,
      meant === undefined ? `Write identity: ['${identity.slice(0, 40)}'] to name a field` : `Did you mean '${meant}'?`,
    )
  }
  checkPaths(name, 'identity', identity, jsonSchema, false)
  for (const path of identity as readonly string[]) {
    for (const ignored of (ignore as readonly string[] | undefined) ?? []) {
      if (!overlap(path, ignored)) continue
      throw contractError(
        name,
        `ignore names ${JSON.stringify(ignored)}, but identity is made of ${JSON.stringify(path)}`,
        'Take the field out of one of them: what identifies an operation cannot be ignored on a repeat',
      )
    }
    if (typeof occurrenceField === 'string' && overlap(path, occurrenceField)) {
      throw contractError(
        name,
        `identity names the occurrenceField ${JSON.stringify(occurrenceField)}`,
        'Take it out of identity: the occurrence is part of the key by itself',
      )
    }
  }
}

function checkRecovery(name: unknown, recovery: unknown): void {
  if (recovery === undefined) throw contractError(name, 'a write needs recovery', CHOOSE_RECOVERY)
  if (typeof recovery === 'function' || typeof recovery === 'string') {
    const word = typeof recovery === 'string' ? recovery : recovery.name
    const meant = nearest(word, RECOVERIES)
    throw contractError(
      name,
      'recovery must be what one of the recovery functions returns',
      meant === undefined ? CHOOSE_RECOVERY : `Call it: recovery: ${meant}(…), imported from onefold`,
    )
  }
  const bad = (problem: string): Error => contractError(name, problem, CHOOSE_RECOVERY)
  if (!isRaw(recovery) || !RECOVERIES.includes(recovery['class'] as string)) throw bad('recovery is of no known class')
  const { class: kind, windowMs, settleMs, probe } = recovery
  const isMs = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least
  if (kind === 'keyed' && !isMs(windowMs, 1)) throw bad('keyed recovery has no window')
  if ((kind === 'keyed' || kind === 'probe') && !isMs(settleMs, 0)) throw bad(`${kind} recovery has no settle time`)
  if (kind === 'probe' || (kind === 'keyed' && probe !== undefined)) {
    if (typeof probe !== 'function') throw bad('the probe of recovery is no function')
  }
  if (kind === 'idempotent' && typeof recovery['precondition'] !== 'function') {
    throw bad('idempotent recovery has no precondition')
  }
}

/** How an older version identified: its field list, `'all'`, or a function. */
const isOlderIdentity = (identity: unknown): boolean =>
  identity === 'all' ||
  typeof identity === 'function' ||
  (Array.isArray(identity) && identity.length > 0 && identity.every(isFieldPath))

function checkVersions(name: unknown, options: RawOptions, jsonSchema: unknown): void {
  const version = options['version'] ?? 1
  if (!isMajor(version)) throw contractError(name, 'version must be a whole number from 1', 'Write version: 1')
  const { replaysFrom = [], supersedes = [] } = options
  if (!Array.isArray(replaysFrom) || !replaysFrom.every((older) => isMajor(older) && older < version)) {
    throw contractError(name, `replaysFrom must list versions below ${version}`, 'Write replaysFrom: [1] in version: 2')
  }
  const olderIdentities = Array.isArray(supersedes) ? (supersedes as unknown[]) : [undefined]
  for (const older of olderIdentities) {
    if (
      isRaw(older) &&
      isMajor(older['version']) &&
      older['version'] < version &&
      isOlderIdentity(older['identity']) &&
      (older['scope'] === undefined || SCOPES.includes(older['scope'] as string)) &&
      Object.keys(older).every((word) => ['version', 'identity', 'scope'].includes(word))
    ) {
      if (Array.isArray(older['identity']))
        checkPaths(name, 'supersedes.identity', older['identity'], jsonSchema, false)
      continue
    }
    throw contractError(
      name,
      `supersedes must list versions below ${version}, each with its identity`,
      "Write supersedes: [{ version: 1, identity: ['orderId'], scope: 'run' }] in version: 2",
    )
  }
}

function checkErrors(name: unknown, errors: unknown): void {
  if (errors === undefined) return
  const fix = "Write errors: [{ match: 'card_declined', effect: 'none' }]; match is a code, a status or a function"
  if (!Array.isArray(errors)) throw contractError(name, 'errors must be a list', fix)
  for (const mapping of errors as unknown[]) {
    const { match, effect } = isRaw(mapping) ? mapping : {}
    if (!['string', 'number', 'function'].includes(typeof match))
      throw contractError(name, 'an entry of errors has no match', fix)
    if (!['none', 'done', 'unknown'].includes(effect as string)) {
      throw contractError(name, "effect in errors must be 'none' | 'done' | 'unknown'", fix)
    }
  }
}

function checkNear(name: unknown, near: unknown, jsonSchema: unknown): void {
  if (near === undefined) return
  const fix = "Write near: { fields: ['accountId', 'amount'], within: '10m', then: 'hold' }"
  if (!isRaw(near)) throw contractError(name, 'near must be an object', fix)
  for (const word of Object.keys(near)) {
    if (!['fields', 'within', 'then'].includes(word))
      throw contractError(name, `near has no option ${JSON.stringify(word)}`, fix)
  }
  checkPaths(name, 'near.fields', near['fields'], jsonSchema, false)
  if (near['then'] !== 'hold')
    throw contractError(name, "near.then must be 'hold': near-duplicates are never collapsed by guess", fix)
}

function checkSchema(name: unknown, input: unknown): unknown {
  const standard: unknown =
    (typeof input === 'object' && input !== null) || typeof input === 'function'
      ? (input as { readonly '~standard'?: unknown })['~standard']
      : undefined
  if (typeof standard === 'object' && standard !== null) {
    const { version, validate } = standard as { readonly version?: unknown; readonly validate?: unknown }
    if (version === 1 && typeof validate === 'function') return jsonSchemaOf(standard)
  }
  throw contractError(
    name,
    input === undefined ? 'input is missing' : 'input is no Standard Schema',
    'Give a schema of zod, valibot, arktype or any library that implements https://standardschema.dev',
  )
}

/**
 * Checks everything about a tool's options that does not depend on durations.
 * @throws OnefoldError CONTRACT_INVALID with the fix in its text
 */
export function checkOptions(options: RawOptions): void {
  if (!isRaw(options)) throw contractError(undefined, 'the options must be an object', 'See the README for an example')
  const { name, effect } = options
  if (!isName(name)) {
    throw contractError(
      name,
      `name must be 1 to ${LONGEST_NAME} visible ASCII characters without blanks`,
      "Write name: 'refund_return'",
    )
  }
  if (effect === undefined) {
    throw contractError(
      name,
      'effect is missing',
      "Write effect: 'write' if the tool changes anything outside, else effect: 'read'",
    )
  }
  checkChoice(name, options, 'effect', ['read', 'write'])
  checkWords(name, options, effect)
  if (options['description'] !== undefined && typeof options['description'] !== 'string') {
    throw contractError(name, 'description must be text', "Write description: 'Refunds a return'")
  }
  const jsonSchema = checkSchema(name, options['input'])
  if (options['execute'] === undefined)
    throw contractError(name, 'execute is missing', 'Write execute: async (input, ctx) => …')
  checkFunction(name, options, 'execute', 'async (input, ctx) => …')
  if (effect === 'read') return

  checkVersions(name, options, jsonSchema)
  if (options['ignore'] !== undefined) checkPaths(name, 'ignore', options['ignore'], jsonSchema, true)
  for (const word of ['occurrenceField', 'amount']) {
    if (options[word] !== undefined) checkPaths(name, word, [options[word]], jsonSchema, false)
  }
  if (options['exclusive'] !== undefined) checkPaths(name, 'exclusive', options['exclusive'], jsonSchema, false)
  checkIdentity(name, options, jsonSchema)
  checkRecovery(name, options['recovery'])
  checkNear(name, options['near'], jsonSchema)
  checkErrors(name, options['errors'])
  checkChoice(name, options, 'scope', SCOPES)
  checkChoice(name, options, 'sends', ['checked', 'unchecked'])
  checkChoice(name, options, 'callerKey', ['ignored', 'trusted', 'required'])
  checkChoice(name, options, 'notice', ['model'])
  checkFunction(name, options, 'prepare', 'async (input, ctx) => …')
  checkFunction(name, options, 'verify', 'async (outcome, ctx) => true')
  checkFunction(name, options, 'compensate', 'async (outcome, ctx) => …')
  if (
    options['verify'] !== undefined &&
    isRaw(options['recovery']) &&
    options['recovery']['class'] === 'transactional'
  ) {
    throw contractError(
      name,
      'a transactional tool has done its effect when it has committed, so verify has no meaning',
      'Remove verify, or choose another recovery',
    )
  }
}
