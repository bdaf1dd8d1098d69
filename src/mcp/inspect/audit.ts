import { contractOf, guessOf, identifyingArguments, isProtected, keyArgumentOf, verbOf } from './guess.ts'
import type { ListedTool } from './list-tools.ts'

/** One thing about a tool that lets a repeat act twice, or makes it look safe when it is not. */
export interface ToolFinding {
  readonly tool: string
  readonly rule: 'no-identity' | 'model-visible-key' | 'fresh-key' | 'contradicting-annotation'
  readonly found: string
  readonly fix: string
}

/** A text that asks for a new key every time: what defeats every deduplication below it. */
const FRESH =
  /\b(?:new|fresh|unique|random|different|generate[ds]?)\b[^.]{0,60}\b(?:uuid|guid|key|token|nonce|id)\b[^.]{0,60}\b(?:each|every|per|for (?:this|the)|time|request|call|attempt|retry)\b|\b(?:uuid|key|token|nonce)\b[^.]{0,40}\b(?:must be|should be|is) (?:new|fresh|unique)\b[^.]{0,40}\b(?:each|every|per|request|call|attempt)\b/i

/** What is wrong with the tools of a server, as far as their list shows it. */
export function auditTools(tools: readonly ListedTool[]): readonly ToolFinding[] {
  return tools.flatMap((tool) => [...identity(tool), ...visibleKey(tool), ...freshKey(tool), ...annotations(tool)])
}

function identity(tool: ListedTool): readonly ToolFinding[] {
  if (isProtected(tool) || guessOf(tool).effect !== 'write') return []
  if (identifyingArguments(tool).length > 0) return []
  const names = Object.keys(tool.inputSchema?.properties ?? {})
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
  if (key === undefined) return []
  return [
    {
      tool: tool.name,
      rule: 'model-visible-key',
      found: `the model fills in ${key}, and makes up another one on every retry`,
      fix: `take it out of what the model sees; in front of the server: recovery: { keyed: 24h, key: arguments.${key} }`,
    },
  ]
}

/** The same, where the argument itself is the key. */
const FRESH_ARGUMENT = /\b(?:new|fresh|unique|random|different)\b[^.]{0,40}\b(?:each|every|per)\b[^.]{0,20}/i

function freshKey(tool: ListedTool): readonly ToolFinding[] {
  const key = keyArgumentOf(tool)
  const texts: (readonly [string, string | undefined])[] = [
    ['its description', tool.description],
    ...Object.entries(tool.inputSchema?.properties ?? {}).map(
      ([name, field]) => [`the description of ${name}`, field?.description] as const,
    ),
  ]
  return texts.flatMap(([where, text]) => {
    if (typeof text !== 'string') return []
    const asked = (FRESH.exec(text) ?? (where === `the description of ${key}` ? FRESH_ARGUMENT.exec(text) : null))?.[0]
    if (asked === undefined) return []
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

/**
 * Words that are no noun and no reading in a tool's name, so that they can contradict what its server says. “open” opens
 * a file to read it, “order” begins order_history, “run” runs a query: of those nothing is said.
 */
const CHANGING: ReadonlySet<string> = new Set([
  'delete',
  'send',
  'publish',
  'pay',
  'refund',
  'upload',
  'revoke',
  'deploy',
])

/** Words that by their meaning do more each time. To create what is there already may be harmless, and its server knows. */
const REPEATING: ReadonlySet<string> = new Set(['send', 'reply', 'append', 'increment', 'decrement', 'toggle'])
