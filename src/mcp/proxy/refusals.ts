import type { ErrorMapping } from '../../contract/index.ts'
import { isOnefoldError } from '../../error/index.ts'
import type { DeclaredError } from './declared.ts'
import { HttpRefused, isAboutOutput } from './http-refused.ts'
import { NotSent, type UpstreamAnswer } from './upstream.ts'

/** JSON-RPC 2.0 section 5.1: the server did not even find, or accept, the call. */
const METHOD_NOT_FOUND = -32601
const INVALID_PARAMS = -32602
/** MCP 2025-11-25, elicitation: the user visits an address first, and then the client sends the same request again. */
export const URL_ELICITATION_REQUIRED = -32042

/**
 * How errors of a tool are read, first match first: what this process knows not to have sent, what the operator says,
 * what the protocol itself says. Everything else is in doubt.
 */
export function errorMappings(tool: string, declared: readonly DeclaredError[] = []): readonly ErrorMapping[] {
  return [
    { match: isUnsent, effect: 'none' },
    ...declared.map(({ match, effect }): ErrorMapping => ({
      match: (error) =>
        (isAnswer(error) && saysSo(error, match)) || (error instanceof HttpRefused && error.status === match),
      effect,
    })),
    { match: (error) => isAnswer(error) && isRefusedBeforeCall(error, tool), effect: 'none' },
  ]
}

const isUnsent = (error: unknown): boolean =>
  error instanceof NotSent ||
  (error instanceof HttpRefused && error.beforeCall) ||
  (isOnefoldError(error) && error.code === 'CANCELLED' && error.effect === 'none')

/** True for an answer of the server, also one that comes back from the ledger. */
export const isAnswer = (value: unknown): value is UpstreamAnswer =>
  typeof value === 'object' && value !== null && typeof (value as UpstreamAnswer).json === 'string'

interface ErrorFacts {
  readonly code: unknown
  /** Everything that is written for people. */
  readonly text: string
  readonly structured: unknown
}

function factsOf(answer: UpstreamAnswer): ErrorFacts {
  const { code, message, data, content, structuredContent } = JSON.parse(answer.json) as Record<string, unknown>
  if (answer.kind === 'error') return { code, text: typeof message === 'string' ? message : '', structured: data }
  const blocks = Array.isArray(content) ? (content as unknown[]) : []
  const texts = blocks
    .map((block) => (block as { text?: unknown } | null)?.text)
    .filter((text) => typeof text === 'string')
  return { code: undefined, text: texts.join('\n'), structured: structuredContent }
}

/** A code equals; text occurs. */
function saysSo(answer: UpstreamAnswer, match: string | number): boolean {
  const { code, text, structured } = factsOf(answer)
  const inner = typeof structured === 'object' && structured !== null ? (structured as Record<string, unknown>) : {}
  const codes = [
    code,
    inner['code'],
    inner['status'],
    inner['statusCode'],
    inner['name'],
    inner['type'],
    inner['error'],
  ]
  return codes.includes(match) || (typeof match === 'string' && match !== '' && text.includes(match))
}

/**
 * -32601 and -32602 say that the tool was not run, but the official TypeScript SDK also answers -32602 when a tool's
 * *output* does not fit its schema, which is after the effect (server/mcp.js, validateToolOutput). Since 1.21 it answers
 * both as a result with `isError` whose text begins with the code.
 */
function isRefusedBeforeCall(answer: UpstreamAnswer, tool: string): boolean {
  const { code, text } = factsOf(answer)
  if (answer.kind === 'error')
    return (
      code === METHOD_NOT_FOUND ||
      code === URL_ELICITATION_REQUIRED ||
      (code === INVALID_PARAMS && !isAboutOutput(text))
    )
  const before = [
    `MCP error ${INVALID_PARAMS}: Input validation error: Invalid arguments for tool ${tool}:`,
    `MCP error ${INVALID_PARAMS}: Invalid arguments for tool ${tool}:`,
    `MCP error ${INVALID_PARAMS}: Tool ${tool} not found`,
    `MCP error ${INVALID_PARAMS}: Tool ${tool} disabled`,
    // Version 2 of the SDK (server/mcp.mjs, validateToolInput) tells the same without the code.
    `Input validation error: Invalid arguments for tool ${tool}:`,
    `Invalid arguments for tool ${tool}: arguments contain more than the maximum of`,
  ]
  return before.some((start) => text.startsWith(start))
}
