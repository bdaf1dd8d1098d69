import type { Driver, Node } from './driver.ts'

/** What one server says about itself. */
export interface ServerSettings {
  readonly version: string
  readonly role: string
  readonly runId: string
  readonly replicationId: string
  readonly replicas: number
  readonly evictionPolicy: string
  readonly appendOnly: boolean
  /** `always`, `everysec`, `no`; undefined where the server does not tell (no right to CONFIG). */
  readonly appendfsync: string | undefined
  /** False when the last write to the append-only file failed. */
  readonly writesWell: boolean
}

export const settingsOf = async (driver: Driver): Promise<readonly ServerSettings[]> =>
  await Promise.all((await driver.masters()).map(settingsOfNode))

async function settingsOfNode(node: Node): Promise<ServerSettings> {
  const [info, appendfsync] = await Promise.all([infoOf(node), appendfsyncOf(node)])
  return {
    version: info.get('redis_version') ?? '',
    ...identityOf(info),
    appendfsync,
    writesWell: info.get('aof_last_write_status') !== 'err',
  }
}

export type Identity = Pick<
  ServerSettings,
  'role' | 'runId' | 'replicationId' | 'replicas' | 'evictionPolicy' | 'appendOnly'
>

const identityOf = (info: ReadonlyMap<string, string>): Identity => ({
  role: info.get('role') ?? '',
  runId: info.get('run_id') ?? '',
  replicationId: info.get('master_replid') ?? '',
  replicas: Number(info.get('connected_slaves') ?? 0),
  evictionPolicy: info.get('maxmemory_policy') ?? '',
  appendOnly: info.get('aof_enabled') === '1',
})

const LOOKED_AT = ['server', 'replication', 'memory', 'persistence']

/** Who the servers are now, how many replicas each has, and what they keep. */
export async function identitiesOf(driver: Driver): Promise<readonly Identity[]> {
  const nodes = await driver.masters()
  return await Promise.all(nodes.map(async (node) => identityOf(await infoOf(node, LOOKED_AT))))
}

async function infoOf(node: Node, sections: readonly string[] = ['']): Promise<ReadonlyMap<string, string>> {
  const texts = await Promise.all(
    sections.map((section) => node.command(section === '' ? ['INFO'] : ['INFO', section])),
  )
  const lines = texts.flatMap((text) => String(text).split('\r\n'))
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const colon = line.indexOf(':')
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]]
    }),
  )
}

/** Managed servers often keep CONFIG from their users; then nothing is known. */
async function appendfsyncOf(node: Node): Promise<string | undefined> {
  try {
    const answer = await node.command(['CONFIG', 'GET', 'appendfsync'])
    if (Array.isArray(answer)) return answer[1] === undefined ? undefined : String(answer[1])
    if (answer instanceof Map) return answer.get('appendfsync') as string | undefined
    return (answer as Readonly<Record<string, string>>)['appendfsync']
  } catch {
    return undefined
  }
}
