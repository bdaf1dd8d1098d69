import type { Driver } from './driver.ts'
import { isAbsent } from './failure.ts'
import type { FoundLedger } from './ledger.ts'
import { baseOf, partitionOf } from './names.ts'
import { runScript, type Script } from './script.ts'

/** The parts of a ledger, each in one slot. */
export interface Partitions {
  name(): string
  all(): readonly number[]
  of(member: string): number
  base(partition: number): string
  /**
   * Runs a script on keys of one partition, named by what follows its base. Where the partition is not there any more, it
   * is made anew under the amnesia mark first, so that the script finds that.
   */
  run(partition: number, script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  /** `run` with another way of sending. */
  runWith<T>(
    send: (args: readonly string[]) => Promise<T>,
    partition: number,
    script: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<T>
}

/** @param heal makes anew what is gone */
export function createPartitions(
  driver: Driver,
  prefix: string,
  found: () => FoundLedger,
  heal: () => Promise<void>,
): Partitions {
  const base = (partition: number): string => baseOf(prefix, partition)

  const runWith: Partitions['runWith'] = (send, partition, script, keys, args) => {
    const named = keys.map((key) => base(partition) + key)
    return runScript(send, script, named, args).catch(async (error: unknown) => {
      if (!isAbsent(error)) throw error
      await heal()
      return await runScript(send, script, named, args)
    })
  }

  return {
    name: () => found().name,
    all: () => Array.from({ length: found().partitions }, (_, n) => n),
    of: (member) => partitionOf(member, found().partitions),
    base,
    run: (partition, script, keys, args) =>
      runWith((parts) => driver.command(`${base(partition)}m`, parts), partition, script, keys, args),
    runWith,
  }
}
