import { exec } from 'node:child_process'
import { promisify } from 'node:util'
import { withoutPassword, withoutSecretQuery } from '../config/index.ts'
import { junitOf, probeEndpoint, UNIQUE, type ProbeCheck, type ProbeTarget } from '../testing/index.ts'
import { EXIT, wrongUse } from './exit-code.ts'
import { liveLine } from './live-line.ts'
import { reportFile } from './report-file.ts'
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
  const writeReport = reportFile(flags.junit)
  const line = liveLine()
  const checks = await probeEndpoint({
    target,
    count: (unique) => counted(flags.count, unique, flags.timeout),
    callers: flags.callers,
    timeoutMs: flags.timeout,
    onCheck: (name) => line.show(name),
  }).finally(() => line.clear())
  const ok = checks.every((check) => check.ok)
  // Reports are kept, and read by others.
  const name = target.kind === 'http' ? `${target.method} ${withoutSecretQuery(target.url)}` : target.tool
  writeReport(() => junitOf(name, checks.map(asCase)))
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
    check.ok ? 'ok' : check.effects > check.wanted ? 'REPEATED' : 'FEWER',
  ])
  print(table([['check', 'wanted', 'effects', ''], ...rows], [1, 2]))
  if (ok) return print('Every repeat left the effects of a single call.')
  if (checks.some(({ effects, wanted }) => effects > wanted))
    print('A repeat acts again: put the ledger in front of it.')
  if (checks.some(({ effects, wanted }) => effects < wanted))
    print('A check left fewer effects than a single call: its calls failed, or --count does not see them at once.')
}

function targetOf(command: string | undefined, args: readonly string[], flags: ProbeFlags): ProbeTarget {
  const { url, tool } = flags
  if (url !== undefined && command === undefined && tool === undefined) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw wrongUse(
        `${JSON.stringify(withoutPassword(url))} is no address. Write http://… or https://…. Nothing was called.`,
      )
    refuseCredentials(url, '--url')
    const headers = Object.fromEntries((flags.header ?? []).map(headerOf))
    const { method, body } = flags
    const target: ProbeTarget = {
      kind: 'http',
      url,
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body,
    }
    try {
      new Headers(target.headers)
    } catch {
      throw wrongUse('A --header has a name or a value that no header can have. Nothing was called.')
    }
    try {
      new Request(url, { method, ...(body === undefined ? {} : { body }) })
    } catch (error) {
      throw wrongUse(`Such a request cannot be sent: ${(error as Error).message} Nothing was called.`)
    }
    return target
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

/** What goes wrong is told to logs that others read: no error repeats credentials. */
function refuseCredentials(url: string, flag: string): void {
  const { username, password } = new URL(url)
  if (username !== '' || password !== '')
    throw wrongUse(`${flag} may hold no user and no password, which nobody would be sent. Nothing was called.`)
}

function headerOf(text: string, nth: number): readonly [string, string] {
  const at = text.indexOf(':')
  if (at < 1) throw wrongUse(`--header ${nth + 1} is no header: write --header "Name: value". Nothing was called.`)
  return [text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim()]
}

/** A number from the user's address or command. */
async function counted(how: string, unique: string, withinMs: number): Promise<number> {
  const text = await answerOf(how.replaceAll(UNIQUE, unique), withinMs).catch((error: unknown) => {
    throw wrongUse(`--count cannot be asked: ${plain(whyOf(error))}. Try it by itself; it has to print a number.`)
  })
  const value = Number(text.trim())
  if (text.trim() !== '' && Number.isSafeInteger(value)) return value
  throw wrongUse(
    `--count answered ${JSON.stringify(plain(text).slice(0, 80))}, which is no whole number. It has to print how many effects there are.`,
  )
}

async function answerOf(how: string, withinMs: number): Promise<string> {
  if (URL.canParse(how) && /^https?:$/.test(new URL(how).protocol)) {
    refuseCredentials(how, '--count')
    return await (await fetch(how, { signal: AbortSignal.timeout(withinMs) })).text()
  }
  const { stdout } = await run(how, { timeout: withinMs }).catch((error: unknown) => {
    throw failed(error as Failed, withinMs)
  })
  return stdout
}

interface Failed extends Error {
  readonly killed?: boolean
  readonly code?: string | number
  readonly signal?: string | null
  readonly stderr?: string
}

/** Of a command that ended by itself Node's own error repeats the command. */
function failed(error: Failed, withinMs: number): Error {
  const { killed, code, signal, stderr = '' } = error
  if (killed === true) return new Error(`no answer within ${withinMs} ms`)
  if (typeof code === 'string') return error
  const said = stderr === '' ? '' : `: ${stderr.slice(0, 400)}`
  return new Error(`the command ended with ${String(code ?? signal)}${said}`)
}

/** What fetch says of a failed connection stands in its cause. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return (cause instanceof Error && cause.message !== '' ? cause.message : error.message).trim()
}
