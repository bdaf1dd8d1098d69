import type { ProbeAnswer, ProbeContext } from '../../contract/index.ts'
import { canonicalize, parseJson } from '../../key/index.ts'
import { isErrorResult } from './answers.ts'
import type { DeclaredProbe } from './declared.ts'
import { resultOf, type StoredResult } from './call-message.ts'
import type { OwnCalls } from './own-calls.ts'

const REFERENCE = /^\$(?:identity|input)\.(.+)$/

/**
 * Asks the declared tool. What it answers becomes the result to replay when `found` leads to something; errors, and
 * answers of another form than declared, are "cannot tell".
 */
export async function askProbe(
  own: OwnCalls,
  probe: DeclaredProbe,
  input: unknown,
  context: ProbeContext,
): Promise<ProbeAnswer<StoredResult>> {
  const wanted = fill(probe.arguments, input, context.downstreamKey())
  if (wanted === ABSENT) return { found: 'unknown', why: 'the operation has no value for an argument of the probe' }
  const call = { tool: probe.tool, argumentsJson: canonicalize(wanted), operation: context }
  const answer = await own.call(call, () => {}, { signal: context.signal, operation: undefined })
  if (answer.kind === 'error' || isErrorResult(answer.json))
    return { found: 'unknown', why: 'the probe answered an error' }
  const [first = '', ...rest] = probe.found.split('.')
  const result = parseJson(answer.json, ANSWER_LIMITS)
  const container = stepInto(result, first)
  // A path that does not fit the answer at all says nothing about the effect.
  if (container === undefined || container === null)
    return { found: 'unknown', why: `the probe's answer has no ${first}` }
  const value = rest.reduce<unknown>(stepInto, container)
  if (value === UNREADABLE) return { found: 'unknown', why: `${probe.found} leads through text that is no JSON` }
  if (value !== undefined && value !== null) return { found: true, value: resultOf(answer.json) }
  // However long ago it was sent: what the server has not answered yet it may still do.
  if (own.isWorkingOn(context.key)) return { found: 'unknown', why: 'the server still works on the call' }
  return { found: false }
}

const ANSWER_LIMITS = { maxBytes: 64 * 1024 * 1024, maxDepth: 512 }

/** A path led through text that holds no JSON: "service unavailable" is no "not found". */
const UNREADABLE = Symbol('unreadable')

/** One step of a path; text that holds JSON is entered, since many servers answer their data as text. */
function stepInto(value: unknown, step: string): unknown {
  const container = typeof value === 'string' ? parsed(value) : value
  if (container === UNREADABLE) return UNREADABLE
  if (typeof container !== 'object' || container === null || !Object.hasOwn(container, step)) return undefined
  return (container as Record<string, unknown>)[step]
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return UNREADABLE
  }
}

const ABSENT = Symbol('absent')

/** The arguments with every reference replaced; {@link ABSENT} when the operation has no value for one, or an empty one. */
function fill(template: unknown, input: unknown, key: string): unknown {
  if (typeof template === 'string') return fillText(template, input, key)
  if (Array.isArray(template)) {
    const items = template.map((item) => fill(item, input, key))
    return items.includes(ABSENT) ? ABSENT : items
  }
  if (typeof template !== 'object' || template === null) return template
  const entries = Object.entries(template).map(([name, value]): [string, unknown] => [name, fill(value, input, key)])
  return entries.some(([, value]) => value === ABSENT) ? ABSENT : Object.fromEntries(entries)
}

function fillText(text: string, input: unknown, key: string): unknown {
  if (text === '$key') return key
  if (text.startsWith('$$')) return text.slice(1)
  const path = REFERENCE.exec(text)?.[1]
  if (path === undefined) return text
  let value = input
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return ABSENT
    value = (value as Record<string, unknown>)[step]
  }
  // Asked for with nothing, servers answer what there is: that would stand for an effect that never was.
  return value === '' || value === null ? ABSENT : value
}
