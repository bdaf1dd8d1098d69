import { open, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

const ZEROS = Buffer.alloc(64 * 1024)

/** One append-only file with space that is already taken on the disk. Calls must not overlap. */
export interface SpoolFile {
  readonly path: string
  /** Bytes that hold lines. */
  readonly used: number
  /** Takes space up to `bytes` beyond what is used: real zeros, since a hole in a file promises nothing. */
  reserve(bytes: number): Promise<void>
  /** Writes and syncs. False when the file is no longer at its path: somebody took it over and may not have seen the line. */
  append(line: Buffer): Promise<boolean>
  /** Gives the used space back to the reserve. */
  clear(): Promise<void>
  /** Closes the file, and removes it when it holds no line. */
  close(): Promise<void>
}

/** Creates the file, for its owner alone, and makes its name durable. */
export async function createSpoolFile(path: string): Promise<SpoolFile> {
  const handle = await open(path, 'wx', 0o600)
  await syncFolder(dirname(path))
  let used = 0
  let taken = 0

  async function isOurs(): Promise<boolean> {
    const [there, ours] = await Promise.all([stat(path).catch(() => undefined), handle.stat()])
    return there !== undefined && there.ino === ours.ino && there.dev === ours.dev
  }

  return {
    path,
    get used() {
      return used
    },
    async reserve(bytes) {
      if (taken >= used + bytes) return
      const from = taken
      taken = await fill(handle, from, used + bytes)
      await handle.datasync()
    },
    async append(line) {
      await writeAt(handle, line, used)
      used += line.length
      taken = Math.max(taken, used)
      await handle.datasync()
      return await isOurs()
    },
    async clear() {
      await fill(handle, 0, used)
      used = 0
    },
    async close() {
      const empty = used === 0 && (await isOurs())
      await handle.close()
      if (empty) await unlink(path).catch(() => undefined)
    },
  }
}

async function fill(handle: FileHandle, from: number, to: number): Promise<number> {
  let at = from
  while (at < to) {
    const piece = ZEROS.subarray(0, Math.min(ZEROS.length, to - at))
    await writeAt(handle, piece, at)
    at += piece.length
  }
  return at
}

async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Without this a file may be missing after a power cut although its content was synced. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  if (folder === undefined) return
  try {
    await folder.sync()
  } catch {
    // Some systems let no folder be synced; there the file system itself has to keep its order.
  } finally {
    await folder.close()
  }
}
