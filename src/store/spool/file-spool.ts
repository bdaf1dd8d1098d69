import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Spool, SpoolEntry } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { createSpoolFile, type SpoolFile } from './spool-file.ts'
import { readLines, toLine } from './spool-line.ts'
import { isSpoolName, newSpoolName, ownerIsDead } from './spool-name.ts'

/** A file of a dead process that is ours now, with what is left of it. */
interface Adopted {
  readonly path: string
  left: SpoolEntry[]
}

/**
 * A spool in a folder of its own (0700): each process writes one file (0600) whose name carries its process id, and takes
 * over those of processes that have ended. An entry is on the disk when `append` resolves, in space that `reserve` took
 * before. Applying an entry twice must be harmless: after a crash it may be offered again.
 * Rejects with `STORE_UNAVAILABLE` when the disk does not take it.
 */
export function fileSpool(folder: string): Spool {
  let file: SpoolFile | undefined
  let reserved = 0
  let own: SpoolEntry[] = []
  const adopted: Adopted[] = []
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
    file = await createSpoolFile(join(folder, newSpoolName()))
    return file
  }

  async function append(entry: SpoolEntry): Promise<void> {
    const line = toLine(entry)
    while (!(await (await ownFile()).append(line))) {
      // Taken over while we live, by a process that cannot see us: what was in it is in good hands, this line may not be.
      await file?.close().catch(() => undefined)
      file = undefined
      own = []
    }
    own.push(entry)
    await file?.reserve(reserved).catch(() => undefined)
  }

  async function adopt(): Promise<void> {
    const names = await readdir(folder).catch(() => [])
    for (const name of names) {
      if (!isSpoolName(name) || !ownerIsDead(name)) continue
      const path = join(folder, newSpoolName())
      try {
        // Renaming succeeds for one process only.
        await rename(join(folder, name), path)
        adopted.push({ path, left: readLines(await readFile(path)) })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }

  async function drain(apply: (entry: SpoolEntry) => Promise<boolean>): Promise<number> {
    await adopt()
    let applied = 0
    const offer = async (entries: readonly SpoolEntry[]): Promise<SpoolEntry[]> => {
      const kept: SpoolEntry[] = []
      for (const entry of entries) {
        if (await apply(entry).catch(() => false)) applied += 1
        else kept.push(entry)
      }
      return kept
    }
    for (const one of Array.from(adopted)) {
      one.left = await offer(one.left)
      if (one.left.length > 0) continue
      adopted.splice(adopted.indexOf(one), 1)
      await unlink(one.path).catch(() => undefined)
    }
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
      await inTurn(async () => {
        await file?.close()
        file = undefined
      })
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
