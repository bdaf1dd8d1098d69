import { randomUUID } from 'node:crypto'
import type { Finding } from '../../engine/index.ts'
import type { Driver } from './driver.ts'
import { readEpoch } from './epoch.ts'
import { channelOf } from './names.ts'
import type { Numbers } from './numbers.ts'
import type { Partitions } from './partitions.ts'
import type { Replication } from './replication.ts'
import { refusal, syncsAlways, type Keeping } from './servable.ts'
import { settingsOf, type ServerSettings } from './servers.ts'

const CLOCK_OFF_MS = 1_000
const HEARD_WITHIN_MS = 1_000

interface Examined {
  readonly driver: Driver
  readonly prefix: string
  readonly partitions: Partitions
  readonly numbers: Numbers
  readonly replication: Replication
  readonly keeping: Keeping
  readonly now: () => number
}

/** Looks at everything that the promise rests on in these servers. */
export async function examine(it: Examined): Promise<readonly Finding[]> {
  const servers = await settingsOf(it.driver)
  const keeping = { ...it.keeping, servers }
  const { id, sequence, amnesia } = await readEpoch(it.driver, it.partitions, it.numbers)
  const manual = refusal('manual', keeping)
  const all = (of: (server: ServerSettings) => string): string => [...new Set(servers.map(of))].join(', ')
  return [
    {
      check: 'server',
      ok: true,
      found: `version ${all(({ version }) => version)}, ${servers.length} that take writes`,
    },
    finding(
      'primary',
      servers.every(({ role }) => role !== 'slave'),
      all(({ role }) => role),
      {
        fix: 'connect to the primary',
        unsafe: true,
      },
    ),
    finding(
      'eviction',
      servers.every(({ evictionPolicy }) => evictionPolicy === 'noeviction'),
      all(({ evictionPolicy }) => evictionPolicy),
      { fix: 'set maxmemory-policy noeviction: an evicted claim is a second effect', unsafe: true },
    ),
    finding(
      'append-only file',
      servers.every(({ appendOnly }) => appendOnly),
      all((s) => (s.appendOnly ? 'on' : 'off')),
      {
        fix: 'set appendonly yes',
        unsafe: true,
      },
    ),
    finding(
      'disk',
      servers.every(({ writesWell }) => writesWell),
      all((s) => (s.writesWell ? 'written' : 'refused')),
      {
        fix: 'make room for the append-only file',
        unsafe: true,
      },
    ),
    finding(
      'appendfsync',
      syncsAlways(keeping),
      all(({ appendfsync }) => appendfsync ?? 'not told'),
      {
        fix: 'set appendfsync always; until then manual and probe tools are refused here',
      },
    ),
    finding('replicas', true, replicasOf(servers, it.replication.needed(), keeping.cluster), { fix: '' }),
    finding(
      'manual and probe tools',
      manual === undefined,
      manual === undefined ? 'may be registered' : `refused: ${manual}`,
      {
        fix: 'declare another recovery, or set the servers as said',
      },
    ),
    await clock(it),
    finding(
      'epoch',
      amnesia === undefined,
      amnesia === undefined ? `${id}, step ${sequence}` : `records were lost: ${amnesia.why}`,
      {
        fix: 'settle what was lost, then "onefold ledger lift"',
      },
    ),
    await notifications(it),
  ]
}

const finding = (
  check: string,
  ok: boolean,
  found: string,
  { fix, unsafe = false }: { readonly fix: string; readonly unsafe?: boolean },
): Finding => (ok ? { check, ok, found } : { check, ok, found, fix, ...(unsafe ? { unsafe } : {}) })

function replicasOf(servers: readonly ServerSettings[], needed: number, cluster: boolean): string {
  const most = Math.max(...servers.map(({ replicas }) => replicas))
  if (most === 0 && needed === 0) return 'none'
  if (cluster)
    return `up to ${most} each; a fail-over may lose acknowledged records, which the amnesia guard then notices`
  return `${most} connected; steps of manual and probe tools wait for ${needed}`
}

async function clock({ driver, prefix, now }: Examined): Promise<Finding> {
  const before = now()
  const time = (await driver.command(prefix, ['TIME'])) as readonly [string, string]
  const offBy = Math.round(Number(time[0]) * 1000 + Number(time[1]) / 1000 - (before + now()) / 2)
  return finding('clock', Math.abs(offBy) <= CLOCK_OFF_MS, `the server's is ${offBy} ms ahead of this machine's`, {
    fix: 'let both follow a time server; windows of keyed tools are measured on the server',
  })
}

async function notifications({ driver, prefix }: Examined): Promise<Finding> {
  const channel = channelOf(prefix, `doctor ${randomUUID()}`)
  let close = (): void => {}
  const heard = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), HEARD_WITHIN_MS)
    const hear = (): void => {
      clearTimeout(timer)
      resolve(true)
    }
    const ask = async (): Promise<void> => {
      const listener = driver.listen(hear, () => undefined)
      close = () => listener.close()
      await listener.begun
      await listener.subscribe(channel)
      await driver.command(prefix, ['PUBLISH', channel, ''])
    }
    // A user without the right hears nothing, which the timer tells.
    ask().catch(() => undefined)
  })
  close()
  return {
    check: 'notifications',
    ok: heard,
    found: heard ? 'heard' : 'not heard: waiting callers poll',
    ...(heard ? {} : { fix: `let the user listen to the channels ${prefix}!*` }),
  }
}
