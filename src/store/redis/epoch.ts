import { createHash } from 'node:crypto'
import type { AmnesiaMark, Epoch } from '../../engine/index.ts'
import type { Numbers } from './numbers.ts'
import type { Partitions } from './partitions.ts'
import { EPOCH, MARK, RETIRE } from './meta.lua.ts'
import { identitiesOf, type Identity } from './servers.ts'
import type { Driver } from './driver.ts'
import { script } from './script.ts'

const epochScript = script(EPOCH)
const markScript = script(MARK)
const retireScript = script(RETIRE)

/** Writers that were not heard of for so long have ended without saying so; microseconds, as numbers are. */
const WRITER_KEPT_US = 30 * 86_400_000_000

interface Seen {
  readonly number: number
  readonly mark: AmnesiaMark | undefined
}

/** The ledger's identity and height, and the mark. Partition 0 says whether a mark stands; the others follow it. */
export async function readEpoch(
  driver: Driver,
  partitions: Partitions,
  numbers: Numbers,
): Promise<Epoch & { readonly replicas: number; readonly servers: readonly Identity[] }> {
  const [identities, seen] = await Promise.all([
    identitiesOf(driver),
    Promise.all(partitions.all().map((partition) => readPart(partitions, partition, numbers))),
  ])
  const mark = seen[0]?.mark
  const strays = partitions.all().filter((partition) => seen[partition]?.mark?.at !== mark?.at)
  await Promise.all(strays.map((partition) => savePart(partitions, partition, numbers, mark)))
  const servers = identities.map(({ runId, replicationId }) => `${runId}/${replicationId}`).toSorted()
  const server =
    servers.length === 1 ? servers[0] : createHash('sha256').update(servers.join()).digest('base64url').slice(0, 22)
  return {
    id: `${server}/${partitions.name()}`,
    sequence: seen.some(({ number }) => number === 0) ? 0 : Math.max(...seen.map(({ number }) => number)),
    amnesia: mark,
    replicas: Math.min(...identities.map(({ replicas }) => replicas)),
    servers: identities,
  }
}

async function readPart(partitions: Partitions, partition: number, numbers: Numbers): Promise<Seen> {
  const { writer } = numbers
  const before = numbers.acked(partition)
  const answer = await partitions.run(partition, epochScript, ['m'], [writer, '', numbers.past()])
  const [now, number, mark, known] = answer as [number, number, string, number]
  numbers.saw(number)
  numbers.sawTime(now)
  return {
    number: numbers.told(writer, before, known, number),
    mark: mark === '' ? undefined : (JSON.parse(mark) as AmnesiaMark),
  }
}

/**
 * Partition 0 first: whoever finds the others behind it finishes this.
 * @param writer the one whose loss is marked: it tells no more of it @default none
 */
export async function saveMark(
  partitions: Partitions,
  numbers: Numbers,
  mark: AmnesiaMark | undefined,
  writer = '',
): Promise<void> {
  const [first, ...others] = partitions.all()
  await savePart(partitions, first ?? 0, numbers, mark, writer)
  await Promise.all(others.map((partition) => savePart(partitions, partition, numbers, mark, writer)))
}

async function savePart(
  partitions: Partitions,
  partition: number,
  numbers: Numbers,
  mark: AmnesiaMark | undefined,
  writer = '',
): Promise<void> {
  const text = mark === undefined ? '' : JSON.stringify(mark)
  await partitions.run(partition, markScript, ['m'], [text, String(mark?.at ?? 0), numbers.past(), writer])
}

/** Forgets this process, and those that have long been gone, so that their rows do not pile up. */
export async function retireWriters(partitions: Partitions, numbers: Numbers): Promise<void> {
  const before = String(Math.max(0, numbers.highest() - WRITER_KEPT_US))
  const wrote = partitions.all().filter((partition) => numbers.acked(partition) > 0)
  await Promise.all(
    wrote.map((partition) => partitions.run(partition, retireScript, ['m'], [numbers.writer, before, numbers.past()])),
  )
}
