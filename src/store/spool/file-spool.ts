import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Spool, SpoolEntry } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { createSpoolFile, type SpoolFile } from './spool-file.ts'
import { readLines, toLine } from './spool-line.ts'
import { isSpoolName, newSpoolName, ownerIsGone } from './spool-name.ts'

/** Names of the files that spools of this process work on; one of its own that is not among them was left by a closed one. */
const inUse = new Set<string>()

/**
 * A spool in a folder of its own (0700): each process writes one file (0600) whose name carries its process id, and offers
 * what is in those of processes that have ended, or of spools that this one has closed. What is not taken is left where
 * it was: it may be another ledger's. An entry is on the disk when `append` resolves, in space that `reserve` took
 * before. Applying an entry twice must be harmless: it may be offered again.
 * Rejects with `STORE_UNAVAILABLE` when the disk does not take it.
 */
export function fileSpool(folder: string): Spool {
  let file: SpoolFile | undefined
  let name = ''
  let reserved = 0
  let own: SpoolEntry[] = []
  let last: Promise<unknown> = Promise.resolve()
  let draining: Promise<number> | undefined
  let isClosed = false

  /** Steps on the file one after the other. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work)
    last = turn.catch(() => undefined)
    return turn
  }

  async function ownFile(): Promise<SpoolFile> {
    if (file !== undefined) return file
    await mkdir(folder, { recursive: true, mode: 0o700 })
    name = newSpoolName()
    inUse.add(name)
    file = await createSpoolFile(join(folder, name))
    return file
  }

  async function leaveFile(): Promise<void> {
    inUse.delete(name)
    await file?.close().catch(() => undefined)
    file = undefined
  }

  async function append(entry: SpoolEntry): Promise<void> {
    const line = toLine(entry)
    while (!(await (await ownFile()).append(line))) {
      // Taken over while we live, by a process that cannot see us: what was in it is in good hands, this line may not be.
      await leaveFile()
      own = []
    }
    own.push(entry)
    await file?.reserve(reserved).catch(() => undefined)
  }

  /** Offers what is in the file of an owner that is gone, under a name of ours meanwhile. */
  async function inherit(
    left: string,
    offer: (entries: readonly SpoolEntry[]) => Promise<SpoolEntry[]>,
  ): Promise<void> {
    const ours = newSpoolName()
    const [before, path] = [join(folder, left), join(folder, ours)]
    inUse.add(ours)
    try {
      // Renaming succeeds for one process only.
      await rename(before, path)
      const kept = await offer(readLines(await readFile(path)))
      await (kept.length === 0 ? unlink(path) : rename(path, before))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    } finally {
      inUse.delete(ours)
    }
  }

  async function drain(apply: (entry: SpoolEntry) => Promise<boolean>): Promise<number> {
    let applied = 0
    const offer = async (entries: readonly SpoolEntry[]): Promise<SpoolEntry[]> => {
      const kept: SpoolEntry[] = []
      for (const entry of entries) {
        if (await apply(entry).catch(() => false)) applied += 1
        else kept.push(entry)
      }
      return kept
    }
    const left = (await readdir(folder).catch(() => [])).filter((each) => isSpoolName(each) && ownerIsGone(each, inUse))
    for (const each of left) await inherit(each, offer)
    const offered = [...own]
    const kept = await offer(offered)
    await inTurn(async () => {
      own = [...kept, ...own.slice(offered.length)]
      if (own.length === 0 && file !== undefined && file.used > 0) await file.clear()
    })
    return applied
  }

  return {
    reserve: (bytes) =>
      inTurn(async () => {
        reserved = Math.max(reserved, bytes)
        await (await ownFile()).reserve(bytes)
      }).catch(refuse('Space for answers that the ledger cannot take could not be reserved')),
    append: (entry) => inTurn(() => append(entry)).catch(refuse('The answer could not be written to the spool')),
    async drain(apply) {
      // One at a time: an entry is not offered while it is being offered.
      if (isClosed) return 0
      draining ??= drain(apply).finally(() => {
        draining = undefined
      })
      return await draining
    },
    async close() {
      isClosed = true
      await draining?.catch(() => undefined)
      await inTurn(leaveFile)
    },
  }

  function refuse(what: string): (error: unknown) => never {
    return (error) => {
      const why = error instanceof Error ? error.message : String(error)
      throw new OnefoldError('STORE_UNAVAILABLE', `${what} in ${folder} (${why}).`, {
        effect: 'unknown',
        retryable: true,
        cause: error,
      })
    }
  }
}
