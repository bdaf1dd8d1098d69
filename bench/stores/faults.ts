import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startDownstream, type Downstream } from '../../test/support/downstream.ts'
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts'
import type { Contender, Place } from './contender.ts'
import type { Task } from './caller.process.ts'

/** The faults, as protocol.md section 6 has them. */
export const FAULTS = [
  'crash before',
  'crash after',
  'lapsed lease',
  'late failure',
  'lands, then reset',
  'record refused',
] as const

export type Fault = (typeof FAULTS)[number]

/** What became of one operation whose first caller met a fault, while its other callers tried again. */
export interface Cell {
  /** Effects at the downstream: 1 is right. */
  readonly effects: number
  /** `answered`: a later caller got the answer; `doubt`: it is listed for a person, who settled it; `stuck`: neither. */
  readonly end: 'answered' | 'doubt' | 'stuck'
  /** What the callers after the fault were told. */
  readonly told: readonly string[]
}

const LEASE_MS = 1_200
const PATIENCE_MS = 9_000
const FURTHER_TRIES = 4

/** One caller in a process of its own. */
interface Caller {
  readonly child: ChildProcess
  /** The next line that it prints, or undefined when it ends. */
  line(): Promise<string | undefined>
  say(text: string): void
}

function startCaller(task: Task, downstream: Downstream): Caller {
  const child = spawn(
    process.execPath,
    [
      '--no-deprecation',
      '-C',
      'onefold-source',
      fileURLToPath(new URL('./caller.process.ts', import.meta.url)),
      JSON.stringify(task),
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, BENCH_DOWNSTREAM: downstream.url, NODE_NO_WARNINGS: '1' },
    },
  )
  const lines: string[] = []
  let rest = ''
  let ended = false
  let wake = (): void => undefined
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    wake()
  })
  child.on('exit', () => {
    ended = true
    wake()
  })
  return {
    child,
    say: (text) => void child.stdin.write(`${text}\n`),
    async line() {
      while (lines.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve))
      return lines.shift()
    },
  }
}

async function end(caller: Caller): Promise<void> {
  if (caller.child.exitCode !== null || caller.child.signalCode !== null) return
  caller.child.kill('SIGCONT')
  caller.child.kill('SIGKILL')
  await once(caller.child, 'exit')
}

/** Runs one fault against one contender. */
async function runFault(
  contender: Contender,
  fault: Fault,
  place: Place,
  downstream: Downstream,
  proxy: TcpProxy | undefined,
): Promise<Cell> {
  const ref = `${place.prefix}${contender.name}-${fault}`.replaceAll(/[^a-z0-9]+/giu, '-')
  const at = (mode: Task['mode'], through?: TcpProxy): Task => ({
    contender: contender.name,
    place: { ...place, leaseMs: LEASE_MS, ...(through === undefined ? {} : portsOf(contender, place, through)) },
    ref,
    mode,
  })
  const told: string[] = []
  let first: Caller | undefined

  /** A caller of its own process, which tries until it has an answer or is told to stop. */
  const retry = async (): Promise<string> => {
    const caller = startCaller(at('call'), downstream)
    await caller.line()
    const patience = setTimeout(() => caller.child.kill('SIGKILL'), PATIENCE_MS)
    const line = (await caller.line()) ?? 'no answer'
    clearTimeout(patience)
    await end(caller)
    told.push(line)
    return line
  }

  switch (fault) {
    case 'crash before':
    case 'crash after':
      first = startCaller(at(fault === 'crash before' ? 'die-before' : 'die-after'), downstream)
      await once(first.child, 'exit')
      break
    case 'lapsed lease':
      await downstream.plan(ref, 'hold')
      first = startCaller(at('call'), downstream)
      await downstream.until(ref, 1)
      first.child.kill('SIGSTOP')
      break
    case 'late failure':
      first = startCaller(at('fail-late'), downstream)
      await first.line()
      await first.line()
      first.child.kill('SIGSTOP')
      break
    case 'lands, then reset':
      await downstream.plan(ref, 'lose-answer')
      first = startCaller(at('call'), downstream)
      await first.line()
      await first.line()
      break
    case 'record refused':
      first = startCaller(at('wait-after', proxy), downstream)
      await first.line()
      await first.line()
      proxy?.refuse(true)
      proxy?.cut()
      first.say('go')
      await pause(500)
      break
  }
  await retry()
  // The lease of the first caller is over.
  await pause(LEASE_MS + 400)
  await retry()
  if (fault === 'lapsed lease' || fault === 'late failure') {
    first.child.kill('SIGCONT')
    await downstream.release(ref)
    first.say('go')
    await first.line()
  }
  if (fault === 'record refused') proxy?.heal()
  await pause(LEASE_MS + 400)
  let last = await retry()
  // Recovery may be waiting for something; nobody is stuck who is answered in the end.
  for (let n = 0; n < FURTHER_TRIES && last !== 'answered' && last !== 'IN_DOUBT'; n += 1) {
    await pause(LEASE_MS)
    last = await retry()
  }
  let ending: Cell['end'] = last === 'answered' ? 'answered' : 'stuck'
  if (ending === 'stuck' && contender.ours === true) {
    const settler = startCaller(at((await downstream.effects(ref)) > 0 ? 'settle-done' : 'settle-not-done'), downstream)
    await settler.line()
    const settled = await settler.line()
    await end(settler)
    if (settled === 'settled') {
      last = await retry()
      if (last === 'answered') ending = 'doubt'
    }
  }
  await end(first)
  return { effects: await downstream.effects(ref), end: ending, told }
}

const portsOf = (contender: Contender, place: Place, proxy: TcpProxy): Partial<Place> => {
  const url =
    place.postgresUrl === '' ? '' : Object.assign(new URL(place.postgresUrl), { port: String(proxy.port) }).href
  if (contender.store === 'redis') return { redisPort: proxy.port }
  return contender.store === 'postgres' ? { postgresUrl: url } : { dynamoPort: proxy.port }
}

const portOf = (contender: Contender, place: Place): number | undefined => {
  if (contender.store === 'redis') return place.redisPort
  if (contender.store === 'postgres') return Number(new URL(place.postgresUrl).port)
  return contender.store === 'dynamodb' ? place.dynamoPort : undefined
}

/** The whole matrix of one contender. A fault that its store cannot have is left out. */
export async function measureFaults(
  contender: Contender,
  place: Place,
): Promise<Readonly<Partial<Record<Fault, Cell>>>> {
  const cells: Partial<Record<Fault, Cell>> = {}
  const downstream = await startDownstream()
  for (const fault of FAULTS) {
    const port = portOf(contender, place)
    if (fault === 'record refused' && port === undefined) continue
    const proxy = fault === 'record refused' && port !== undefined ? await startTcpProxy(port) : undefined
    cells[fault] = await runFault(contender, fault, place, downstream, proxy)
    await proxy?.close()
  }
  await downstream.close()
  return cells
}
