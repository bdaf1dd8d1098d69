import type { RecoveryClass } from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { unsafe } from './failure.ts'
import type { ServerSettings } from './servers.ts'

const OLDEST_MAJOR = 6

/** @throws OnefoldError STORE_UNSAFE for servers that do not keep what they acknowledge, or take no writes */
export function assertServable(servers: readonly ServerSettings[], what: string): void {
  for (const server of servers) {
    if (Number.parseInt(server.version, 10) < OLDEST_MAJOR)
      throw unsafe(`${what} is on version ${server.version} of Redis; a ledger needs ${OLDEST_MAJOR} or later.`)
    if (server.role === 'slave')
      throw unsafe(`${what} is on a replica, which takes no writes and may lag: connect to the primary.`)
  }
  const lossy = losesRecords(servers, what)
  if (lossy !== undefined) throw lossy
}

/**
 * A client may be set to give other types than the server's: numbers as text would make a conflict look like a success.
 * @param answer of the script RIGHTS @param text what it was given
 * @throws OnefoldError CONFIG_INVALID
 */
export function assertUnchanged(answer: unknown, text: string): void {
  const [number, read] = Array.isArray(answer) ? (answer as unknown[]) : []
  if (number === -1 && read === text) return
  throw new OnefoldError(
    'CONFIG_INVALID',
    'The client of the ledger changes what it is answered (typeMapping of redis, for one): give redisStore a client that gives numbers as numbers and texts as strings. Nothing was started.',
  )
}

/** What makes servers forget records that they acknowledged; may change while they are served. */
export function losesRecords(
  servers: readonly Pick<ServerSettings, 'evictionPolicy' | 'appendOnly'>[],
  what: string,
): OnefoldError | undefined {
  for (const server of servers) {
    if (server.evictionPolicy !== 'noeviction') {
      return unsafe(
        `${what} may lose records to eviction: maxmemory-policy is ${server.evictionPolicy || 'not told'}. An evicted claim is a second effect; set maxmemory-policy noeviction.`,
      )
    }
    if (!server.appendOnly) {
      return unsafe(
        `${what} keeps nothing when its server ends: the append-only file is off. Set appendonly yes, and appendfsync always for manual and probe tools.`,
      )
    }
  }
  return undefined
}

/** What decides which recovery classes the servers can carry. */
export interface Keeping {
  readonly cluster: boolean
  /** The operator's word where the server does not tell. */
  readonly appendfsync: 'always' | undefined
  readonly servers: readonly ServerSettings[]
}

const CARRIED_ANYWHERE: readonly RecoveryClass[] = ['keyed', 'idempotent', 'composite', 'transactional']

export const syncsAlways = ({ servers, appendfsync }: Keeping): boolean =>
  servers.every((server) => (server.appendfsync ?? appendfsync) === 'always')

/**
 * Why tools of this class must not be registered. A keyed or idempotent tool may be sent again under the same key when
 * its record is gone; the effect of the others would be repeated by whoever finds no record.
 */
export function refusal(recovery: RecoveryClass, keeping: Keeping): string | undefined {
  if (CARRIED_ANYWHERE.includes(recovery)) return undefined
  if (!syncsAlways(keeping)) {
    const found = keeping.servers.find(({ appendfsync }) => appendfsync !== 'always')?.appendfsync
    return found === undefined
      ? `its servers do not tell whether appendfsync is always. Say appendfsync: 'always' to redisStore if you know that it is`
      : `appendfsync is ${found}, so that a power cut forgets the last second, and with it what was sent. Set appendfsync always`
  }
  if (keeping.cluster && keeping.servers.some(({ replicas }) => replicas > 0)) {
    return 'a fail-over within the cluster may lose acknowledged records, and WAIT cannot be aimed at one node of it. Use one server with replicas, a cluster without, or the Postgres store'
  }
  return undefined
}
