import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { StandardSchemaV1, ToolContext, WriteOptions } from '../contract/index.ts'
import {
  createGuard,
  recoversByItself,
  type Guard,
  type ProtectedTool,
  type RunOptions,
  type Settings,
  type Store,
} from '../engine/index.ts'
import type { ToolCallOptions } from '../engine/index.ts'
import { isOnefoldError } from '../error/index.ts'
import { downstreamFetch } from '../downstream/index.ts'
import { HTTP_DEFAULTS } from '../http/exchange/index.ts'
import { startGateway, type GatewayLimits } from '../http/gateway/index.ts'
import { NOTHING_DECLARED, runProxy, type DeclaredTool } from '../mcp/index.ts'
import { systemClock, systemIds, systemProcesses } from '../system/index.ts'
import { connectMcp, type McpClient } from './mcp-client.ts'
import type { Books } from './story.ts'
import type { Fault, Town } from './town.ts'

/** `baseline`: no fault, no repeat; `without` and `with`: all of them, bare and behind Onefold. */
export type Mode = 'baseline' | 'without' | 'with'

/** A write as a story declares it; bare it is only its `execute`. */
export type StageTool<Input, Output> = Omit<
  WriteOptions<StandardSchemaV1<Input>, Output>,
  'input' | 'effect' | 'execute'
> & {
  readonly execute: (input: Input, context: Pick<ToolContext, 'fetch' | 'checkpoint'>) => Promise<Output> | Output
}

export type Call<Input, Output> = (input: Input, options?: ToolCallOptions) => Promise<Output>

/** What the town answers to an effect. */
export interface Done {
  readonly id: string
  readonly ref: string
}

export interface SendOptions {
  /** @default the bare `fetch` */
  readonly fetch?: typeof globalThis.fetch
  /** Gives up after so long, as clients do. @default never */
  readonly timeoutMs?: number
  /** @default 'POST' */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Where to send it. @default the town's own address */
  readonly to?: string
}

export interface McpServer {
  readonly program: string
  readonly args: readonly string[]
  readonly contracts: Readonly<Record<string, DeclaredTool>>
}

/** Where a story is played. */
export interface Stage {
  readonly mode: Mode
  readonly town: Town
  /** Undefined where nothing protects. */
  readonly guard: Guard | undefined
  /** A name of this play's own, for the town; `plain/…` names belong to a service without idempotency keys. */
  ref(name: string): string
  /** Plans faults for a reference; none in the baseline. */
  fault(name: string, ...faults: readonly Fault[]): Promise<void>
  /** What only a retry or a duplicate does; left out of the baseline. */
  again<T>(work: () => Promise<T>): Promise<T | undefined>
  /** As retriers do it: up to `times` tries, whatever goes wrong; the last error is nobody's. */
  retrying<T>(times: number, work: (nth: number) => Promise<T>): Promise<T | undefined>
  /** `another`: registered in a second process that shares the ledger. @default the stage's own */
  tool<Input, Output>(options: StageTool<Input, Output>, where?: { readonly process: 'another' }): Call<Input, Output>
  /** The protected tool itself, for what is built from such; undefined where nothing protects. */
  protect<Input, Output>(options: StageTool<Input, Output>): ProtectedTool<Input, Output> | undefined
  /** Within a run of Onefold's, or bare. */
  run<T>(options: RunOptions, work: () => Promise<T>): Promise<T>
  /** An effect at the town. @throws Error for a lost answer and for every status that is no success */
  send(name: string, body?: unknown, options?: SendOptions): Promise<Done>
  /**
   * A gateway of Onefold's in front of the town, or the town itself where nothing protects: an address for clients that
   * know nothing of a guard. Every write demands a key, and is settled by it.
   */
  front(limits?: Partial<GatewayLimits>): Promise<string>
  /** An MCP server of this package's own, behind the proxy where Onefold protects, and a client connected to it. */
  mcp(server: McpServer): Promise<McpClient>
  /** The process ends and another begins on the same ledger. */
  restart(): Promise<void>
  /** Says what must hold where Onefold protects; elsewhere nothing is claimed. */
  expect(holds: boolean, what: string): void
}

/** Times that make a story short; each keeps its proportion to the others. */
export const QUICK: Partial<Settings> = {
  leaseMs: 1_500,
  heartbeatMs: 500,
  sendGraceMs: 5,
  quarantineMs: 40,
  windowMarginMs: 80,
  sweepMs: 20,
  recoveryBackoffMs: 10,
  waitMs: 10_000,
}

export interface StageOptions {
  readonly mode: Mode
  readonly town: Town
  /** Opens the ledger of this play; the same one whenever it is called. */
  readonly openStore: () => Store
  /** Tells this play's effects from all others'. */
  readonly mark: string
}

export interface OpenStage extends Stage {
  /** Waits until what settles itself has settled. Resolves to the doubts that are left for a person. */
  end(): Promise<{ readonly books: Books; readonly doubts: number; readonly broken: readonly string[] }>
  close(): Promise<void>
}

export function openStage(options: StageOptions): OpenStage {
  const { mode, town, mark } = options
  const closers: (() => Promise<void>)[] = []
  const broken: string[] = []
  let guard = mode === 'with' ? newGuard(options.openStore()) : undefined

  const ref = (name: string): string =>
    name.startsWith('plain/') ? `plain/${mark}/${name.slice('plain/'.length)}` : `${mark}/${name}`

  const tool: Stage['tool'] = (declared, where) => {
    const registered = new WeakMap<Guard, ReturnType<typeof protect<never, never>>>()
    const other = where === undefined || guard === undefined ? undefined : newGuard(options.openStore())
    if (other !== undefined) closers.push(other.close)
    return async (input, callOptions) => {
      const on = other ?? guard
      if (on === undefined) return await declared.execute(input, { fetch, checkpoint: () => undefined })
      const known = registered.get(on) ?? (protect(on, declared) as never)
      registered.set(on, known)
      return await (known as ProtectedTool<typeof input, never>)(input, callOptions)
    }
  }

  const stage: Stage = {
    mode,
    town,
    get guard() {
      return guard
    },
    ref,
    fault: async (name, ...faults) => {
      if (mode !== 'baseline') await town.plan(ref(name), ...faults)
    },
    again: async (work) => (mode === 'baseline' ? undefined : await work()),
    retrying: async (times, work) => {
      for (let nth = 1; nth <= times; nth += 1) {
        try {
          return await work(nth)
        } catch {
          // A retrier sees an error and tries again; that is what the stories are about.
        }
      }
      return undefined
    },
    tool,
    protect: (declared) => (guard === undefined ? undefined : protect(guard, declared)),
    run: async (runOptions, work) => (guard === undefined ? await work() : await guard.run(runOptions, work)),
    send: async (name, body = {}, sending = {}) => {
      const response = await (sending.fetch ?? fetch)(
        `${sending.to ?? town.url}/effects/${ref(name).split('/').map(encodeURIComponent).join('/')}`,
        {
          method: sending.method ?? 'POST',
          body: JSON.stringify(body),
          ...(sending.headers === undefined ? {} : { headers: sending.headers }),
          ...(sending.timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(sending.timeoutMs) }),
        },
      )
      if (!response.ok)
        throw Object.assign(new Error(`the town answered ${response.status}: ${await response.text()}`), {
          status: response.status,
        })
      return (await response.json()) as Done
    },
    front: async (limits = {}) => {
      if (guard === undefined) return town.url
      const gateway = await startGateway({
        guard,
        upstream: new URL(town.url),
        service: 'town',
        rules: HTTP_DEFAULTS,
        routes: [{ match: 'POST /effects/**', rule: KEYED_WRITE }],
        limits,
      })
      closers.unshift(gateway.close)
      return gateway.url
    },
    mcp: async ({ program, args, contracts }) => {
      if (guard === undefined) {
        const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
        closers.push(async () => {
          child.stdin.end()
          await once(child, 'exit')
        })
        return await connectMcp(child.stdout, child.stdin)
      }
      const [stdin, stdout] = [new PassThrough(), new PassThrough()]
      const running = runProxy({
        command: process.execPath,
        args: [program, ...args],
        contracts: { ...NOTHING_DECLARED, name: 'story', tools: new Map(Object.entries(contracts)) },
        guard: newGuard(options.openStore()),
        stdin,
        stdout,
        stderr: new PassThrough().resume(),
        signals: new EventEmitter() as never,
      })
      closers.push(async () => {
        stdin.end()
        await running
      })
      return await connectMcp(stdout, stdin)
    },
    restart: async () => {
      if (guard === undefined) return
      await guard.close()
      guard = newGuard(options.openStore())
    },
    expect: (holds, what) => {
      if (mode === 'with' && !holds) broken.push(what)
    },
  }

  async function effects(): Promise<Books> {
    const rows = await town.query(
      `SELECT ref, count(*) AS n FROM effects WHERE instr(ref, '${mark}/') > 0 GROUP BY ref ORDER BY ref`,
    )
    return Object.fromEntries(
      rows.map((row) => [
        String(row['ref']).slice(String(row['ref']).indexOf(`${mark}/`) + mark.length + 1),
        Number(row['n']),
      ]),
    )
  }

  return Object.assign(stage, {
    end: async () => ({ doubts: guard === undefined ? 0 : await settle(guard), books: await effects(), broken }),
    close: async () => {
      for (const end of closers) await end()
      await guard?.close()
    },
  })
}

const KEYED_WRITE = {
  effect: 'write',
  key: 'required',
  identity: undefined,
  recovery: { class: 'keyed', window: '24h', header: undefined, probe: undefined, settle: undefined },
} as const

function newGuard(store: Store): Guard {
  return createGuard({
    store,
    allowVolatile: true,
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
    makeFetch: downstreamFetch(),
    settings: QUICK,
  })
}

function protect<Input, Output>(guard: Guard, declared: StageTool<Input, Output>): ProtectedTool<Input, Output> {
  const schema: StandardSchemaV1<Input> = {
    '~standard': { version: 1, vendor: 'onefold', validate: (value) => ({ value: value as Input }) },
  }
  return guard.tool({ ...declared, effect: 'write', input: schema } as WriteOptions<
    StandardSchemaV1<Input>,
    Output
  >) as ProtectedTool<Input, Output>
}

/** Bookkeeping of the engine's own: open for as long as a turn or a near-duplicate's window lasts. */
const isOwn = (tool: string): boolean => tool.startsWith('near:') || tool === 'exclusive'

async function settle(guard: Guard): Promise<number> {
  for (;;) {
    const page = await guard.ledger.list({
      states: ['claimed', 'executing', 'accepted', 'in-doubt', 'recovering', 'compensating'],
      limit: 1_000,
    })
    const records = page.records.filter(({ tool }) => !isOwn(tool))
    const moving = records.filter((record) => record.state !== 'in-doubt' || recoversByItself(record, undefined))
    if (moving.length === 0) return records.length
    await guard.internals.tick()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The code of an error of Onefold's, or undefined for any other. */
export const codeOf = (error: unknown): string | undefined => (isOnefoldError(error) ? error.code : undefined)
