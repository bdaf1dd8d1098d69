import {
  CHANGING,
  argumentsOf,
  asksAfresh,
  contractOf,
  guessOf,
  identifyingArguments,
  isProtected,
  keyArgumentOf,
  verbOf,
} from './guess.ts'
import type { ListedTool } from './list-tools.ts'

/** One thing about a tool that lets a repeat act twice, or makes it look safe when it is not. */
export interface ToolFinding {
  readonly tool: string
  readonly rule: 'no-identity' | 'model-visible-key' | 'fresh-key' | 'contradicting-annotation'
  readonly found: string
  readonly fix: string
}

/** What a text calls a key for one call: not the key of an API, of a page or of an issue. */
const KEY =
  /\b(?:uuid\w*|guid|nonce|idempot\w*|dedup\w*|(?:request|client|transaction|unique|new|fresh|random|different) (?:key|token)|(?:key|token) (?:must|should|has to|is to|is))\b/i

/** What is wrong with the tools of a server, as far as their list shows it. */
export function auditTools(tools: readonly ListedTool[]): readonly ToolFinding[] {
  return tools.flatMap((tool) => [...identity(tool), ...visibleKey(tool), ...freshKey(tool), ...annotations(tool)])
}

function identity(tool: ListedTool): readonly ToolFinding[] {
  if (isProtected(tool) || guessOf(tool).effect !== 'write') return []
  if (identifyingArguments(tool).length > 0) return []
  const names = argumentsOf(tool).map(({ path }) => path)
  return [
    {
      tool: tool.name,
      rule: 'no-identity',
      found:
        names.length === 0
          ? 'it changes something and takes no argument: two wanted calls and one retried call look the same'
          : `it changes something, and none of its arguments (${names.slice(0, 6).join(', ')}) says which operation is meant`,
      fix: 'give it an argument from the application that names the operation (an order id), or a contract with a caller key (callerKey: required)',
    },
  ]
}

function visibleKey(tool: ListedTool): readonly ToolFinding[] {
  const key = keyArgumentOf(tool)
  if (key === undefined || guessOf(tool).effect === 'read') return []
  return [
    {
      tool: tool.name,
      rule: 'model-visible-key',
      found: `the model fills in ${key}, and makes up another one on every retry`,
      fix: `take it out of what the model sees; in front of the server: recovery: { keyed: 24h, key: arguments.${key} }`,
    },
  ]
}

function freshKey(tool: ListedTool): readonly ToolFinding[] {
  if (guessOf(tool).effect === 'read') return []
  const key = keyArgumentOf(tool)
  const texts: (readonly [string, string | undefined])[] = [
    ['its description', tool.description],
    ...argumentsOf(tool).map(({ path, field }) => [`the description of ${path}`, field?.description] as const),
  ]
  return texts.flatMap(([where, text]) => {
    if (typeof text !== 'string') return []
    const asked = asksAfresh(text)
    // What the key's own description speaks of is the key; elsewhere it may be anything.
    if (asked === undefined || !(where === `the description of ${key}` || KEY.test(asked))) return []
    return [
      {
        tool: tool.name,
        rule: 'fresh-key',
        found: `${where} asks for a new key every time: “${asked.trim()}”`,
        fix: 'say that the key stays the same on every retry of one operation, or take it away from the model',
      },
    ]
  })
}

function annotations(tool: ListedTool): readonly ToolFinding[] {
  const { readOnlyHint, destructiveHint, idempotentHint } = tool.annotations ?? {}
  const verb = verbOf(tool.name)
  const contract = contractOf(tool)
  const contradicts = (found: string, fix: string): ToolFinding => ({
    tool: tool.name,
    rule: 'contradicting-annotation',
    found,
    fix,
  })
  const findings: ToolFinding[] = []
  if (readOnlyHint === true && verb !== undefined && CHANGING.has(verb.verb))
    findings.push(contradicts(`readOnlyHint is true, and its name says “${verb.verb}”`, 'set readOnlyHint to false'))
  if (readOnlyHint === true && destructiveHint === true)
    findings.push(contradicts('it only reads, and is destructive', 'keep one of readOnlyHint and destructiveHint'))
  if (readOnlyHint === true && contract?.effect === 'write')
    findings.push(contradicts('readOnlyHint is true, and its contract is a write', 'set readOnlyHint to false'))
  if (readOnlyHint !== true && contract?.effect === 'read')
    findings.push(contradicts('its contract is a read, and readOnlyHint is not set', 'set readOnlyHint to true'))
  if (destructiveHint === false && verb?.verb === 'delete')
    findings.push(
      contradicts(`destructiveHint is false, and its name says “${verb.verb}”`, 'set destructiveHint to true'),
    )
  // The official reading of idempotentHint is "safe to retry": a client will.
  if (
    idempotentHint === true &&
    readOnlyHint !== true &&
    verb !== undefined &&
    REPEATING.has(verb.verb) &&
    keyArgumentOf(tool) === undefined &&
    contract === undefined
  )
    findings.push(
      contradicts(
        `idempotentHint is true, and to “${verb.verb}” twice is usually to do it twice: clients retry on that word`,
        'set idempotentHint to false, or make a repeat harmless and say how in a contract',
      ),
    )
  return findings
}

/** Words that by their meaning do more each time. To create what is there already may be harmless, and its server knows. */
const REPEATING: ReadonlySet<string> = new Set(['send', 'reply', 'append', 'increment', 'decrement', 'toggle'])
