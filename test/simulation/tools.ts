import {
  composite,
  defineContract,
  idempotent,
  keyed,
  manual,
  probe,
  transactional,
  type AnyToolOptions,
  type Contract,
  type ProbeAnswer,
  type ProbeContext,
  type Recovery,
  type StandardSchemaV1,
  type ToolContext,
} from '../../src/contract/index.ts'
import { AnsweredError, Question, type FetchMaker, type ProtectedTool } from '../../src/engine/index.ts'
import type { Answer, Request, Treatment } from './downstream.ts'
import type { Engine } from './engine.ts'
import type { Rows } from './link.ts'
import type { Process } from './life.ts'
import type { Call } from './told.ts'
import { happens } from './world.ts'

/** What every simulated tool is called with. `intent` names what the caller wants, whatever key the engine derives. */
export interface Input {
  readonly id: string
  readonly amount: number
  readonly account: string
  /** Ignored on a repeat: how this call words it. */
  readonly intent: string
}

/** One tool as the simulation knows it. */
export interface Tool {
  readonly contract: Contract
  readonly options?: AnyToolOptions
  /** The execution of one call, so that what it sends is known to be its. */
  execute(call: Call | undefined, round?: string): (input: unknown, context: ToolContext) => Promise<unknown>
}

const anything: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value: unknown) => ({ value }) },
}

class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  readonly code: string | undefined

  constructor(status: number, code: string | undefined) {
    super(`HTTP ${status} ${code ?? ''}`)
    this.status = status
    this.code = code
  }
}

interface ToolSettings {
  readonly name: string
  readonly treatment: Treatment
  readonly recovery: Recovery<Input, unknown>
  readonly options?: Readonly<Record<string, unknown>>
  readonly version?: number
}

const POUR = {
  errors: [
    { match: 'card_declined', effect: 'none' },
    { match: 'already_exists', effect: 'done' },
  ],
}

/** An intent begins with its tenant. */
const tenantOf = (intent: string): string => intent.replace('undo:', '').split('/', 1)[0] ?? ''

function leaf(process: Process, settings: ToolSettings): Tool {
  const { world } = process
  const { plan } = world
  const major = settings.version ?? 1
  const execute =
    (call: Call | undefined, round?: string) =>
    async (input: unknown, context: ToolContext): Promise<unknown> => {
      const { intent } = input as Input
      if (happens(world, plan.odds.stall)) await process.sleep(world.random.latency(900), 'stall before')
      const request: Request = {
        intent,
        tenant: tenantOf(intent),
        opKey: context.key,
        downstreamKey: context.downstreamKey(),
        attempt: context.attempt,
        treatment: settings.treatment,
        major,
        round,
      }
      const answer = await transmit(process, request, context, call)
      if (happens(world, plan.odds.stall / 2)) await process.sleep(world.random.latency(900), 'stall after')
      return read(answer)
    }
  const options = {
    name: settings.name,
    version: major,
    input: anything,
    effect: 'write',
    identity: ['id'],
    ignore: ['intent'],
    recovery: settings.recovery,
    timeout: '250ms',
    sends: plan.sending === 'unchecked' ? 'unchecked' : 'checked',
    retention: plan.retires ? `${Math.max(1_500, windowOf(settings.recovery))}ms` : '24h',
    execute: execute(undefined),
    ...(plan.mapped ? POUR : {}),
    ...(plan.prepared ? { prepare: prepareIn(process) } : {}),
    ...(world.mutation.sendsInPrepare === true ? { prepare: execute(undefined) } : {}),
    ...settings.options,
  } as unknown as AnyToolOptions
  return { contract: defineContract(options), execute, options }
}

/** A keyed tool is kept at least for as long as the downstream knows its key. */
const windowOf = (recovery: Recovery<Input, unknown>): number => (recovery.class === 'keyed' ? recovery.windowMs : 0)

const prepareIn = (process: Process) => async (): Promise<void> => {
  const { world } = process
  const takesMs = world.random.latency(300)
  // Longer than the tool's time-out is a fault.
  await process.sleep(world.plan.calm ? Math.min(takesMs, 200) : takesMs, 'prepare')
  if (happens(world, world.plan.odds.downstream / 4)) throw new HttpError(422, 'not prepared')
}

function transmit(process: Process, request: Request, context: ToolContext, call: Call | undefined): Promise<Answer> {
  const { downstream, plan } = process.world
  // The simulated fetch takes a request of the simulation, and answers with its answer.
  if (plan.sending === 'fetch') return context.fetch({ request, call } as never) as unknown as Promise<Answer>
  if (plan.sending === 'checked') context.checkpoint()
  return downstream.send(process, request, call)
}

/** What a tool is given that runs outside the engine; for mutants. */
export const toolContextOutside = (key: string): ToolContext =>
  ({
    key,
    attempt: 99,
    checkpoint: () => undefined,
    downstreamKey: () => key,
    fetch: () => Promise.reject(new Error('outside')),
  }) as never

/** The simulated `ctx.fetch`: the same port as production's, over the simulated network. */
export const fetchOf =
  (process: Process): FetchMaker =>
  (port) =>
    (async (given: { readonly request: Request; readonly call: Call | undefined }) => {
      port.checkpoint()
      const send = port.opened()
      send.state = 'sent'
      try {
        const answer = await process.world.downstream.send(process, given.request, given.call, port.signal)
        send.state = 'answered'
        send.status = answer.status
        return answer
      } catch (error) {
        send.error = error
        if ((error as { code?: string }).code === 'ECONNREFUSED') send.state = 'unsent'
        throw error
      }
    }) as unknown as typeof fetch

/** As Node's HTTP parser and as `JSON.parse` say it. */
function garbage(): Error {
  return Object.assign(new SyntaxError('unexpected end of data'), { code: 'HPE_INVALID_CHUNK_SIZE' })
}

function read(answer: Answer): unknown {
  if (answer.garbage === true) throw garbage()
  if (answer.status === 599) throw Object.assign(new Error('the upstream died'), { code: 'UPSTREAM_DIED' })
  if (answer.status >= 400) throw new HttpError(answer.status, answer.error)
  if (answer.error !== undefined) throw new AnsweredError(answer.error, { code: answer.error })
  return answer.question === undefined ? answer.value : new Question({ ask: answer.question })
}

/** Asks the downstream for the effect by what it is about. */
const finder =
  (process: Process) =>
  async (input: Input): Promise<ProbeAnswer<unknown>> => {
    const { world } = process
    if (happens(world, world.plan.odds.downstream / 4)) return { found: 'unknown', why: 'the probe is confused' }
    const effect = await world.downstream.ask(process, 'probe', (now) => world.downstream.shown(input.intent, now))
    return effect === undefined ? { found: false } : { found: true, value: effect.value }
  }

/** The tools of one process, by what they are for. */
export function toolsOf(
  engine: Engine,
  secondVersion: boolean,
): { readonly main: Tool; readonly parts: readonly Tool[] } {
  const { process } = engine
  const { world } = process
  const { plan } = world
  const { mutation } = world
  const window = `${plan.windowMs * (mutation.windowFactor ?? 1)}ms` as const
  const settle = `${plan.settleMs}ms` as const
  const one = (name: string, treatment: Treatment, recovery: unknown, options: object = {}, version = 1): Tool =>
    leaf(process, {
      name,
      treatment,
      recovery: recovery as Recovery<Input, unknown>,
      options: options as Record<string, unknown>,
      version,
    })
  const plain: Treatment = plan.mapped ? 'unique' : 'plain'
  const single = (tool: Tool): { readonly main: Tool; readonly parts: readonly Tool[] } => ({ main: tool, parts: [] })
  switch (plan.kind) {
    case 'keyed':
      return single(one('pay', 'keyed', keyed(window)))
    case 'keyed-probe':
      return single(one('pay', 'keyed', keyed(window, { probe: finder(process), settle })))
    case 'probe':
      return single(one('mail', plain, probe(finder(process), { settle })))
    case 'idempotent': {
      const precondition = (input: Input, _context: ProbeContext): Promise<boolean> =>
        world.downstream.ask(process, 'precondition', () => world.downstream.effectsOf(input.intent).length === 0)
      if (mutation.unconditional === true) return single(one('put', 'plain', idempotent({ precondition: () => true })))
      return single(one('put', 'match', idempotent({ precondition })))
    }
    case 'composite':
      return compositeOf(engine)
    case 'verify': {
      const verify = (_outcome: unknown, context: ProbeContext): Promise<boolean | undefined> =>
        world.downstream.ask(process, 'verify', () => {
          const state = world.downstream.accepted(world.keeper.intentOf(context.key) ?? '')
          return state === undefined || state === 'pending' ? undefined : state === 'done'
        })
      return single(one('order', 'accept', keyed(window), { verify }))
    }
    case 'sequence':
      return single(one('toggle', 'keyed', keyed(window), { identity: 'sequence' }))
    case 'exclusive':
      return single(one('book', 'keyed', keyed(window), { exclusive: ['account'] }))
    case 'near':
      return single(one('wire', 'keyed', keyed(window), { near: { fields: ['account'], within: '5m', then: 'hold' } }))
    case 'versions':
      return single(
        one(
          mutation.versionInName === true && secondVersion ? 'ship2' : 'ship',
          'keyed',
          keyed(window),
          plan.sticky && secondVersion ? { replaysFrom: [1] } : {},
          secondVersion ? 2 : 1,
        ),
      )
    case 'supersedes': {
      const newer = {
        identity: ['id', 'account'],
        supersedes: [{ version: 1, identity: (input: Input) => ({ id: input.id }) }],
        ...(plan.sticky ? { replaysFrom: [1] } : {}),
      }
      return single(one('ship', 'keyed', keyed(window), secondVersion ? newer : {}, secondVersion ? 2 : 1))
    }
    case 'secrets':
      return single(one('pay', 'keyed', keyed(window)))
    case 'compensate': {
      // Defined through the guard, because only the public tool can be undone.
      const undo = leaf(process, { name: 'undo', treatment: 'plain', recovery: manual() })
      const compensate = (outcome: unknown, context: ToolContext): Promise<unknown> => {
        const intent = `undo:${(outcome as { intent?: string } | undefined)?.intent ?? engine.undoing}`
        return undo.execute(undefined)({ intent }, context)
      }
      const reserve = one('reserve', 'keyed', keyed(window), { compensate })
      const undoable = engine.guard.tool(reserve.options as never) as ProtectedTool<Input, unknown>
      engine.undoable = undoable
      return single({ ...reserve, contract: undoable.contract })
    }
    case 'rounds':
      return single(one('converse', 'asks', plan.sticky ? keyed(window) : manual()))
    case 'transactional':
      return single(rowTool(process))
    case 'misuse':
      return single(one('pay', 'keyed', keyed(window), { callerKey: 'required', scope: 'run' }))
    default:
      return single(one('call', plain, manual(), plan.kind === 'undeclared' ? { identity: 'all', scope: 'run' } : {}))
  }
}

/** A tool that inserts a row in a transaction of the ledger's store. */
function rowTool(process: Process): Tool {
  const { world } = process
  const { plan } = world
  const execute =
    () =>
    async (input: unknown, context: ToolContext): Promise<unknown> => {
      const { intent } = input as Input
      if (happens(world, plan.odds.stall)) await process.sleep(world.random.latency(900), 'stall before')
      const rows = context.transaction as Rows
      rows.insert({
        intent,
        tenant: tenantOf(intent),
        opKey: context.key,
        downstreamKey: context.key,
        attempt: context.attempt + 1,
        treatment: 'row',
        major: 1,
      })
      if (happens(world, plan.odds.stall / 2)) await process.sleep(world.random.latency(900), 'stall after')
      if (happens(world, plan.odds.downstream / 2))
      throw world.random.chance(0.5) ? new HttpError(422, 'constraint') : Object.assign(new Error('deadlock'), { code: '40P01' }) // prettier-ignore
      return { accepted: intent }
    }
  const options = {
    name: 'insert',
    input: anything,
    effect: 'write',
    identity: ['id'],
    ignore: ['intent'],
    recovery: transactional(),
    timeout: '250ms',
    retention: plan.retires ? '1500ms' : '24h',
    execute: execute(),
    ...(plan.prepared ? { prepare: prepareIn(process) } : {}),
  } as unknown as AnyToolOptions
  return { contract: defineContract(options), execute, options }
}

/** A tool of two protected parts, the second of which may need the first one's answer. */
function compositeOf(engine: Engine): { readonly main: Tool; readonly parts: readonly Tool[] } {
  const { process } = engine
  const { world } = process
  const { plan } = world
  const charge = leaf(process, {
    name: 'charge',
    treatment: 'keyed',
    recovery: keyed(`${plan.windowMs}ms`) as Recovery<Input, unknown>,
  })
  const settle = `${plan.settleMs}ms` as const
  const recovery = plan.stores5xx ? manual() : probe(finder(process), { settle })
  const mail = leaf(process, { name: 'mail', treatment: 'plain', recovery: recovery as Recovery<Input, unknown> })
  const execute =
    () =>
    async (input: unknown): Promise<unknown> => {
      const { amount, account, intent } = input as Input
      const part = (tool: Tool, name: string): Promise<unknown> =>
        engine.nested(tool, { id: `${intent}/${name}`, amount, account, intent: `${intent}/${name}` })
      if (happens(world, plan.odds.stall)) await process.sleep(world.random.latency(500), 'stall in parent')
      if (plan.sticky) return await Promise.all([part(charge, 'charge'), part(mail, 'mail')])
      const charged = await part(charge, 'charge')
      const mailed = await part(mail, 'mail')
      return [charged, mailed]
    }
  const contract = defineContract({
    name: 'checkout',
    input: anything,
    effect: 'write',
    identity: ['id'],
    ignore: ['intent'],
    recovery: composite(),
    timeout: '900ms',
    execute: execute(),
  } as unknown as AnyToolOptions)
  return { main: { contract, execute }, parts: [charge, mail] }
}
