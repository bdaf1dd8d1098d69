import type { ToolConfig, WriteConfig } from './config.ts'
import { refuseContradictions } from './contradiction.ts'
import type { Reader, Value } from './reader.ts'
import { readRecovery } from './recovery-section.ts'

type CallerKey = 'ignored' | 'trusted' | 'required'

const WORDS = [
  'effect',
  'identity',
  'ignore',
  'scope',
  'recovery',
  'retention',
  'retryHorizon',
  'timeout',
  'errors',
  'callerKey',
  'notice',
  'occurrenceField',
  'amount',
  'exclusive',
  'version',
] as const

/** Reads one entry of `mcp.tools`. */
export function readTool(reader: Reader, value: Value, quarantineMs: number): ToolConfig {
  const words = reader.known(value, WORDS)
  if (words.effect === undefined) {
    return reader.fail(
      value,
      'does not say its effect',
      'Write effect: write if it changes anything, else effect: read',
    )
  }
  if (reader.choice(words.effect, ['read', 'write']) === 'read') {
    for (const [word, found] of Object.entries(words)) {
      if (word !== 'effect' && found !== undefined)
        reader.fail(found, 'has no meaning for a read', 'Remove it, or write effect: write')
    }
    return { effect: 'read' }
  }
  const callerKey = optional(words.callerKey, (found) =>
    reader.choice<CallerKey>(found, ['ignored', 'trusted', 'required']),
  )
  const identity = optional(words.identity, (found) =>
    reader.isText(found) ? readAll(reader, found) : reader.texts(found),
  )
  if (identity === undefined && callerKey !== 'required') {
    return reader.fail(
      value,
      'needs identity: which arguments make two calls the same operation',
      'Write identity: [order_id], or identity: all',
    )
  }
  if (words.recovery === undefined) {
    return reader.fail(
      value,
      'needs recovery: what settles an unknown outcome',
      'Write recovery: manual, { keyed: 24h, key: arguments.x } or { probe: …, settle: 5s }',
    )
  }
  const tool: WriteConfig = {
    effect: 'write',
    identity,
    recovery: readRecovery(reader, words.recovery, { identity, quarantineMs }),
    version: optional(words.version, (found) => reader.wholeNumber(found, 1)),
    ignore: optional(words.ignore, reader.texts),
    scope: optional(words.scope, (found) => reader.choice(found, ['tenant', 'session', 'run'])),
    retention: optional(words.retention, reader.duration),
    retryHorizon: optional(words.retryHorizon, reader.duration),
    timeout: optional(words.timeout, reader.duration),
    errors: optional(words.errors, (found) => reader.list(found).map((one) => readError(reader, one))),
    callerKey,
    notice: optional(words.notice, (found) => reader.choice(found, ['model'])),
    occurrenceField: optional(words.occurrenceField, reader.text),
    amount: optional(words.amount, reader.text),
    exclusive: optional(words.exclusive, reader.texts),
  }
  checkTogether(reader, value, tool)
  return tool
}

const optional = <T>(value: Value | undefined, read: (value: Value) => T): T | undefined =>
  value === undefined ? undefined : read(value)

function readAll(reader: Reader, value: Value): 'all' {
  const text = reader.text(value)
  if (text === 'all') return 'all'
  if (text === 'sequence')
    return reader.fail(
      value,
      'cannot be sequence behind a proxy, which does not see the order of a run',
      'Write identity: all, or the arguments that identify',
    )
  return reader.fail(value, `cannot be ${JSON.stringify(text)}`, `Write identity: [${text}], or identity: all`)
}

function readError(
  reader: Reader,
  value: Value,
): { readonly match: string | number; readonly effect: 'none' | 'done' | 'unknown' } {
  const words = reader.known(value, ['match', 'effect'])
  if (words.match === undefined)
    return reader.fail(value, 'has no match', 'Write { match: ECONNREFUSED, effect: none }')
  if (words.effect === undefined)
    return reader.fail(value, 'does not say what became of the effect', 'Write effect: none, done or unknown')
  return {
    match: reader.isText(words.match)
      ? reader.text(words.match)
      : reader.wholeNumber(words.match, Number.MIN_SAFE_INTEGER),
    effect: reader.choice(words.effect, ['none', 'done', 'unknown']),
  }
}

/** The rules of contracts that no single key shows: told at the tool's line. */
function checkTogether(reader: Reader, value: Value, tool: WriteConfig): void {
  const { recovery, ...rest } = tool
  refuseContradictions(reader, value, { ...rest, name: 'tool' }, recovery)
}
