import { fingerprintText } from '../../key/index.ts'

/** Commands that only start what their arguments name. */
const STARTERS =
  /^(?:npx|npm|pnpm|pnpx|yarn|bunx?|node|deno|tsx|uvx?|python[\d.]*|docker|sh|bash|env|exec|run|dlx|cmd)(?:\.exe|\.cmd)?$/
const EXTENSION = /\.(?:[cm]?[jt]sx?|py|exe|cmd|sh|rb|jar)$/

/**
 * The name of an MCP server in contracts and file names: a readable word of its command line, and a hash of the whole
 * of it. Equal for equal command lines, so that a restart finds its operations again.
 */
export function upstreamName(command: string, args: readonly string[]): string {
  const words = [command, ...args].filter((word) => !word.startsWith('-')).map(baseOf)
  const named = words.find((word) => word !== '' && !STARTERS.test(word)) ?? words[0] ?? 'server'
  const slug = named
    .replace(EXTENSION, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 40)
  const hash = fingerprintText(JSON.stringify([command, ...args]))
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(-8)
  return `${slug === '' ? 'server' : slug}-${hash.toLowerCase()}`
}

/** The last part of a path or package name, without its version. */
function baseOf(word: string): string {
  const last = word.split(/[/\\]/).findLast((part) => part !== '') ?? ''
  return last.replace(/(?!^)@[^@]*$/, '')
}
