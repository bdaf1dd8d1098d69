import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs'

/** Whoever writes less often does not wait for it. */
export const COMMITS_BEFORE_ROOM = 8

/**
 * A little more than the log grows to before it is folded into the file and written from its beginning again: 1,000
 * pages of 4,096 bytes, a header to each, and what is written while they are folded in.
 */
const ROOM_BYTES = 4_608 * 1024
const PIECE_BYTES = 256 * 1024

/**
 * Lets the write-ahead log have its later size at once. A commit that makes a file longer has to sync the file system's
 * journal too, which takes about as long again as the commit itself; one that overwrites does not. What is filled in are
 * zeros, which SQLite takes for the end of the log.
 *
 * To be called with the write lock held, since only its holder may change the log. Does nothing where the log is
 * missing or has its size, and stops where the disk is full: then it grows as it did before.
 */
export function makeLogRoom(path: string): void {
  let file: number | undefined
  try {
    // SQLite keeps its locks on the main file and on -shm, so closing this one drops none of them.
    file = openSync(`${path}-wal`, 'r+')
    const zeros = new Uint8Array(PIECE_BYTES)
    let at = fstatSync(file).size
    if (at >= ROOM_BYTES) return
    while (at < ROOM_BYTES) at += writeSync(file, zeros, 0, Math.min(PIECE_BYTES, ROOM_BYTES - at), at)
    fsyncSync(file)
  } catch {
    // It only saves time.
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
