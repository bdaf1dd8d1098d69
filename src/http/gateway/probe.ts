import type { ProbeAnswer } from '../../contract/index.ts'
import { isOnefoldError } from '../../error/index.ts'
import { parseJson } from '../../key/index.ts'
import { plainText, viewOf, type Answer, type DeclaredProbe, type FrozenRequest } from '../exchange/index.ts'

const PLACEHOLDER = /\{([^{}]+)\}/g
const LIMITS = { maxBytes: 8 * 1024 * 1024, maxDepth: 64 }

/**
 * The target of a probe with every placeholder filled; undefined where the operation has no value for one. An empty one,
 * or one that a path is shortened by, is none: the answer would be that of a list, or of another resource, and stand for
 * an effect that never was.
 */
export function fillTarget(template: string, source: unknown, key: string | undefined): string | undefined {
  let complete = true
  const target = template.replaceAll(PLACEHOLDER, (_whole, path: string) => {
    const value = path === 'key' && key !== undefined ? key : stepsInto(source, path)
    if ((typeof value === 'string' && value !== '') || typeof value === 'number' || typeof value === 'bigint') {
      return encodeURIComponent(String(value))
    }
    complete = false
    return ''
  })
  const [path = ''] = target.split('?', 1)
  return complete && !DOT_SEGMENT.test(path) ? target : undefined
}

/** Also behind an escaped slash, which some servers take for one. */
const DOT_SEGMENT = /(?:\/|%2F|%5C)\.\.?(?:\/|%2F|%5C|$)/i

/** Own members only, as identities are read. */
export function stepsInto(value: unknown, path: string): unknown {
  let current = value
  for (const step of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined
    current = (current as Record<string, unknown>)[step]
  }
  return current
}

/**
 * What a GET says about an effect. With `found`, a JSON answer that has the path's container decides; without it the
 * status does. Everything that fits neither is "cannot tell".
 */
export function readProbe(answer: Answer, found: string | undefined): ProbeAnswer<Answer> {
  const { status } = answer
  const exists: ProbeAnswer<Answer> = { found: true, value: { ...answer, status: 200 } }
  if (status === 404 || status === 410) return { found: false }
  if (status < 200 || status >= 300) return { found: 'unknown', why: `the probe answered ${status}` }
  if (found === undefined) return exists
  const json = jsonOf(answer)
  if (json === undefined) return { found: 'unknown', why: 'the probe answered no JSON' }
  const [, first = '', ...rest] = found.split('.')
  const container = stepsInto(json, first)
  // A path that does not fit the answer at all says nothing about the effect; an empty list says that there is none.
  if (container === undefined && !Array.isArray(json))
    return { found: 'unknown', why: `the probe's answer has no ${first}` }
  const value = rest.length === 0 ? container : stepsInto(container, rest.join('.'))
  return value === undefined || value === null ? { found: false } : exists
}

function jsonOf(answer: Answer): unknown {
  const text = plainText(answer)
  if (text === undefined) return undefined
  try {
    return parseJson(text, LIMITS)
  } catch (error) {
    if (isOnefoldError(error)) return undefined
    throw error
  }
}

/** Where to ask after a frozen request. */
export const probeTarget = (probe: DeclaredProbe, frozen: FrozenRequest, key: string): string | undefined =>
  fillTarget(probe.get, viewOf(frozen), key)

/** Where to ask whether an accepted request was carried out; `answer.…` stands for what the service answered to it. */
export const verifyTarget = (probe: DeclaredProbe, answer: Answer): string | undefined =>
  fillTarget(probe.get, { answer: jsonOf(answer) }, undefined)

/** True when it was carried out, undefined while that is not known. Never false: a service that is late is not a refusal. */
export function readVerify(answer: Answer, found: string | undefined): boolean | undefined {
  return readProbe(answer, found).found === true ? true : undefined
}
