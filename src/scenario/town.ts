import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What may happen to a request; see town.process.ts. */
export type Fault =
  | 'lose-request'
  | 'lose-answer'
  | 'fail-before'
  | 'fail-after'
  | 'lie'
  | 'refuse'
  | 'limit-after'
  | 'hold'
  | 'none'
  | `slow:${number}`
  | `stall:${number}`
  | ''

/** A running downstream program. */
export interface Town {
  readonly url: string
  /** The port of its mail server, on 127.0.0.1. */
  readonly mailPort: number
  /** The faults of the next requests for a reference, in order. */
  plan(ref: string, ...faults: readonly Fault[]): Promise<void>
  /** Lets answers go that `hold` keeps. */
  release(ref: string): Promise<void>
  honoursKeys(yes: boolean): Promise<void>
  /** Effects that happened for a reference: the number that every scenario is judged by. */
  effects(ref: string): Promise<number>
  requests(ref: string): Promise<readonly Record<string, string>[]>
  query(sql: string): Promise<readonly Record<string, unknown>[]>
  /** Resolves once the program has performed `count` effects for a reference. */
  until(ref: string, count: number): Promise<void>
  close(): Promise<void>
}

/** Starts the program on free loopback ports. @param file its database; survives the program. @default in memory */
export async function startTown(file = ':memory:'): Promise<Town> {
  const program = import.meta.url.endsWith('.ts') ? './town.process.ts' : './town.process.js'
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL(program, import.meta.url)), file],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const [port = '', mailPort = ''] = line.toString().trim().split(' ')
  const url = `http://127.0.0.1:${port}`
  const post = async (path: string, body: string): Promise<unknown> =>
    await (await fetch(`${url}/${path}`, { method: 'POST', body })).json()
  const query = async (sql: string): Promise<readonly Record<string, unknown>[]> =>
    (await post('query', sql)) as readonly Record<string, unknown>[]
  const quoted = (ref: string): string => `'${ref.replaceAll("'", "''")}'`
  const effects = async (ref: string): Promise<number> =>
    Number((await query(`SELECT count(*) AS n FROM effects WHERE ref = ${quoted(ref)}`))[0]?.['n'])
  return {
    url,
    mailPort: Number(mailPort),
    plan: async (ref, ...faults) => void (await post(`plan/${encodeURIComponent(ref)}`, JSON.stringify(faults))),
    release: async (ref) => void (await post(`release/${encodeURIComponent(ref)}`, '')),
    honoursKeys: async (yes) => void (await post('keyed', String(yes))),
    effects,
    requests: async (ref) =>
      (await query(`SELECT headers FROM requests WHERE ref = ${quoted(ref)} ORDER BY n`)).map(
        (row) => JSON.parse(String(row['headers'])) as Record<string, string>,
      ),
    query,
    until: async (ref, count) => {
      while ((await effects(ref)) < count) await new Promise((resolve) => setTimeout(resolve, 2))
    },
    close: async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
