import { exec } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { junitOf, probeEndpoint, UNIQUE, type ProbeCheck, type ProbeTarget } from '../testing/index.ts'
import { EXIT, wrongUse } from './exit-code.ts'
import { liveLine } from './live-line.ts'
import { colors, plain, print, printJson, table } from './output.ts'

/** The flags of `onefold probe`. */
export interface ProbeFlags {
  readonly url?: string
  readonly method: string
  readonly header?: readonly string[]
  readonly body?: string
  readonly tool?: string
  readonly arguments: string
  readonly count: string
  readonly callers: number
  readonly timeout: number
  readonly junit?: string
  readonly json?: boolean
}

const run = promisify(exec)

/** `onefold probe`: duplicates against an endpoint or an MCP tool, judged by the user's own count; exit 1 on findings. */
export async function probe(command: string | undefined, args: readonly string[], flags: ProbeFlags): Promise<number> {
  const target = targetOf(command, args, flags)
  const line = liveLine()
  const checks = await probeEndpoint({
    target,
    count: (unique) => counted(flags.count, unique),
    callers: flags.callers,
    timeoutMs: flags.timeout,
    onCheck: (name) => line.show(name),
  }).finally(() => line.clear())
  const ok = checks.every((check) => check.ok)
  const name = target.kind === 'http' ? `${target.method} ${target.url}` : target.tool
  if (flags.junit !== undefined) await writeFile(flags.junit, junitOf(name, checks.map(asCase)))
  if (flags.json === true) printJson({ target: name, ok, checks })
  else show(name, checks, ok)
  return ok ? EXIT.ok : EXIT.findings
}

const asCase = ({ name, ok, wanted, effects }: ProbeCheck): Parameters<typeof junitOf>[1][number] => ({
  name,
  seconds: 0,
  failure: ok ? undefined : `wanted ${wanted}, there are ${effects}`,
})

function show(name: string, checks: readonly ProbeCheck[], ok: boolean): void {
  print(colors.bold(plain(name)))
  const rows = checks.map((check) => [
    check.name,
    String(check.wanted),
    String(check.effects),
    check.ok ? 'ok' : 'REPEATED',
  ])
  print(table([['check', 'wanted', 'effects', ''], ...rows], [1, 2]))
  print(ok ? 'Every repeat left the effects of a single call.' : 'A repeat acts again: put the ledger in front of it.')
}

function targetOf(command: string | undefined, args: readonly string[], flags: ProbeFlags): ProbeTarget {
  const { url, tool } = flags
  if (url !== undefined && command === undefined && tool === undefined) {
    if (!URL.canParse(url)) throw wrongUse(`${JSON.stringify(url.slice(0, 120))} is no address. Nothing was called.`)
    const headers = Object.fromEntries((flags.header ?? []).map(headerOf))
    const { method, body } = flags
    return {
      kind: 'http',
      url,
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body,
    }
  }
  if (tool !== undefined && command !== undefined && url === undefined) {
    try {
      JSON.parse(flags.arguments)
    } catch {
      throw wrongUse('--arguments is no JSON. Nothing was called.')
    }
    return { kind: 'mcp', command, args, tool, arguments: flags.arguments }
  }
  throw wrongUse('Name one target: --url URL, or --tool NAME and the MCP server behind --. Nothing was called.')
}

function headerOf(text: string): readonly [string, string] {
  const at = text.indexOf(':')
  if (at < 1) throw wrongUse(`${JSON.stringify(text)} is no header: write --header "Name: value". Nothing was called.`)
  return [text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim()]
}

/** A number from the user's address or command. */
async function counted(how: string, unique: string): Promise<number> {
  const filled = how.replaceAll(UNIQUE, unique)
  const text = /^https?:\/\//.test(filled) ? await (await fetch(filled)).text() : (await run(filled)).stdout
  const value = Number(text.trim())
  if (text.trim() !== '' && Number.isSafeInteger(value)) return value
  throw wrongUse(
    `--count answered ${JSON.stringify(plain(text).slice(0, 80))}, which is no whole number. It has to print how many effects there are.`,
  )
}
