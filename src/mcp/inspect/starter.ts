import { isHappening, freeTextArguments, guessOf, identifyingArguments, isProtected, keyArgumentOf } from './guess.ts'
import type { ListedTool } from './list-tools.ts'

/** The client entry that puts the ledger in front of a server: one member of `mcpServers` (or `servers`). */
export interface ClientEntry {
  readonly command: string
  readonly args: readonly string[]
}

/** What a client's configuration holds instead of the server's own command. */
export const clientEntry = (configFile: string, command: string, args: readonly string[]): ClientEntry => ({
  command: 'npx',
  args: ['-y', 'onefold', 'mcp', '--config', configFile, '--', command, ...args],
})

/**
 * A starter `onefold.yaml` from a server's tool list. It declares what the names make plain and leaves the rest to be
 * guarded as undeclared; every guess has its reason beside it, and no tool is called a read, or its recovery automatic, on a guess.
 */
export function starterConfig(name: string, tools: readonly ListedTool[]): string {
  const lines = [
    '# Written from the tool list of the server: guesses to be read, not contracts to be trusted.',
    '# What sends or creates is declared by all its arguments. What sets a state is left to be guarded as undeclared: the',
    '# same state may be wanted again tomorrow, and a contract would replay today’s answer. Uncomment what you know better.',
    '# identity: arguments that make two calls the same operation · ignore: may differ on a repeat',
    '# recovery: what settles an unknown outcome (manual: a person). docs/guides/mcp.md has all of it.',
    'mcp:',
    `  name: ${name} # in the ledger; keep it, or the operations of today are not found tomorrow`,
    '  unknownTools: { mode: guarded, afterDelivery: run, afterError: hold } # tools that are not declared below',
  ]
  if (tools.length === 0) return [...lines, '  tools: {}', ''].join('\n')
  const written = tools.map(toolLines)
  const declares = written.some(({ declared }) => declared)
  return [...lines, declares ? '  tools:' : '  tools: {}', ...written.flatMap((one) => one.lines), ''].join('\n')
}

function toolLines(tool: ListedTool): { readonly declared: boolean; readonly lines: readonly string[] } {
  const { effect, why } = guessOf(tool)
  const name = quoted(tool.name)
  if (isProtected(tool))
    return {
      declared: false,
      lines: [`    # ${name}: the server protects it itself (its contract is in its tool list)`],
    }
  if (effect === 'read') return { declared: true, lines: [`    ${name}: { effect: read } # ${why}`] }
  if (effect === 'unclear')
    return { declared: false, lines: [`    # ${name}: { effect: read } # ${why}: uncomment it if that is so`] }
  const happens = isHappening(tool)
  const lines = writeLines(tool, name, why)
  return { declared: happens, lines: happens ? lines : lines.map((line) => line.replace(/^ {4}(?!#)/, '    # ')) }
}

/** All arguments identify: a guess that is too wide would take wanted work for a repeat. What may be tighter is said beside it. */
function writeLines(tool: ListedTool, name: string, why: string): readonly string[] {
  const identity = identifyingArguments(tool)
  const ignore = freeTextArguments(tool).filter((field) => !identity.includes(field))
  const placed = keyArgumentOf(tool)
  const list = (fields: readonly string[]): string => `[${fields.map(quoted).join(', ')}]`
  return [
    `    ${name}: { effect: write, identity: all${placed === undefined ? '' : `, ignore: ${list([placed])}`}, recovery: manual } # ${why}`,
    ...(identity.length === 0
      ? []
      : [
          `    #   if these name the operation: identity: ${list(identity)}${ignore.length === 0 ? '' : `, and if a repeat may word it differently: ignore: ${list(ignore)}`}`,
        ]),
    ...(placed === undefined
      ? []
      : [
          `    #   if the server honours ${placed}: recovery: { keyed: 24h, key: arguments.${placed} }, without ignore`,
        ]),
  ]
}

/** Controls rewrite what a terminal shows; marks of direction or without width show another contract than stands there. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Plain where YAML reads it as the same text; what a server calls its tools is escaped where a person could not read it. */
const quoted = (text: string): string =>
  /^[A-Za-z_][A-Za-z0-9_-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text).replaceAll(UNSEEN, (letter) =>
        Array.from({ length: letter.length }, (_, at) => `\\u${hex(letter.charCodeAt(at))}`).join(''),
      )

const hex = (unit: number): string => unit.toString(16).padStart(4, '0')
