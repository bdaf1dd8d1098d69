import { randomBytes } from 'node:crypto'
import { statfsSync, statSync } from 'node:fs'
import type { Finding } from '../../engine/index.ts'
import { connect, pragma } from './connection.ts'
import type { Ledger } from './ledger.ts'
import type { LedgerReader } from './ledger-reader.ts'
import { SELECT_PROBE, UPDATE_PROBE } from './meta.sql.ts'

const MEBIBYTE = 1024 * 1024
const ENOUGH_SPACE = 256 * MEBIBYTE
const LARGE_WAL = 256 * MEBIBYTE
/** A wall clock before this library was written is not set. */
const EARLIEST_CLOCK = Date.UTC(2025, 0, 1)
const TOLERATED_OFFSET_MS = 60_000

/** `statfs` types of file systems whose locks do not hold between machines: NFS, SMB, CIFS, SMB2, FUSE (statfs(2)). */
const REMOTE_TYPES: ReadonlySet<number> = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546])

/** What `onefold doctor` tells about a ledger file; each finding that is not well says what to do. */
export function examine(ledger: Ledger, reader: LedgerReader, path: string): readonly Finding[] {
  return [
    setting(ledger, 'journal mode', 'journal_mode', 'wal'),
    setting(ledger, 'synchronous', 'synchronous', 2),
    integrity(ledger, path),
    fileMode(path),
    fileSystem(path),
    space(path),
    clock(ledger),
    probe(ledger, path),
    writeAheadLog(path),
    amnesia(reader),
  ]
}

function setting(ledger: Ledger, check: string, name: string, wanted: unknown): Finding {
  const found = pragma(ledger.database, name)
  if (found === wanted) return { check, ok: true, found: String(found) }
  return {
    check,
    ok: false,
    found: String(found),
    unsafe: true,
    fix: `put the ledger on a local disk: ${name} must read ${String(wanted)}`,
  }
}

function integrity(ledger: Ledger, path: string): Finding {
  const found = String(pragma(ledger.database, 'quick_check'))
  if (found === 'ok') return { check: 'integrity', ok: true, found }
  return {
    check: 'integrity',
    ok: false,
    found,
    unsafe: true,
    fix: `keep a copy of ${path} and restore a backup; then look at "amnesia"`,
  }
}

function fileMode(path: string): Finding {
  const loose = ['', '-wal', '-shm'].filter((end) => {
    const status = statSync(path + end, { throwIfNoEntry: false })
    return status !== undefined && (status.mode & 0o077) !== 0
  })
  const found = `0${(statSync(path).mode & 0o777).toString(8)}`
  if (loose.length === 0 || process.platform === 'win32') return { check: 'file mode', ok: true, found }
  return {
    check: 'file mode',
    ok: false,
    found,
    fix: `chmod 600 ${loose.map((end) => path + end).join(' ')}: others can read inputs and results`,
  }
}

function fileSystem(path: string): Finding {
  const { type } = statfsSync(path)
  const found = `type 0x${type.toString(16)}`
  if (!REMOTE_TYPES.has(type)) return { check: 'file system', ok: true, found }
  return {
    check: 'file system',
    ok: false,
    found,
    unsafe: true,
    fix: 'put the ledger on a local disk: WAL needs shared memory and locks that network file systems do not keep',
  }
}

function space(path: string): Finding {
  const { bavail, bsize } = statfsSync(path)
  const free = bavail * bsize
  const found = `${Math.round(free / MEBIBYTE)} MiB free`
  if (free >= ENOUGH_SPACE) return { check: 'disk space', ok: true, found }
  return { check: 'disk space', ok: false, found, fix: 'make room: a full disk refuses new effects' }
}

function clock(ledger: Ledger): Finding {
  const wall = Date.now()
  const ahead = ledger.clock.now() - wall
  const found = `store clock ${ahead} ms ahead of the wall clock`
  if (wall < EARLIEST_CLOCK)
    return {
      check: 'clock',
      ok: false,
      found: `the wall clock shows ${new Date(wall).toISOString()}`,
      fix: 'set the clock (NTP)',
    }
  if (ahead <= TOLERATED_OFFSET_MS) return { check: 'clock', ok: true, found }
  return {
    check: 'clock',
    ok: false,
    found,
    fix: 'the wall clock was set back; the ledger went on counting. Keep the clock under NTP. Nothing is unsafe: retention ends early by that much',
  }
}

/** A row goes through write, sync and a fresh connection. */
function probe(ledger: Ledger, path: string): Finding {
  const written = randomBytes(8).toString('hex')
  const started = performance.now()
  try {
    ledger.database.prepare(UPDATE_PROBE).run(written)
    const ms = (performance.now() - started).toFixed(1)
    const other = connect(path, { readOnly: true })
    try {
      const read = other.prepare(SELECT_PROBE).get()?.['probe']
      if (read === written) return { check: 'write and read back', ok: true, found: `${ms} ms with sync` }
      return {
        check: 'write and read back',
        ok: false,
        found: 'another value came back',
        unsafe: true,
        fix: 'move the ledger to a sound disk',
      }
    } finally {
      other.close()
    }
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    return {
      check: 'write and read back',
      ok: false,
      found,
      unsafe: true,
      fix: 'give this user write access, and the disk room',
    }
  }
}

function writeAheadLog(path: string): Finding {
  const size = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const found = `${Math.round(size / MEBIBYTE)} MiB`
  if (size < LARGE_WAL) return { check: 'write-ahead log', ok: true, found }
  return {
    check: 'write-ahead log',
    ok: false,
    found,
    fix: 'a reader keeps it from being folded in: end programs that hold the ledger open for reading',
  }
}

function amnesia(reader: LedgerReader): Finding {
  const mark = reader.epoch().amnesia
  if (mark === undefined) return { check: 'amnesia', ok: true, found: 'no records are known to be lost' }
  return {
    check: 'amnesia',
    ok: false,
    found: `since ${new Date(mark.at).toISOString()}: ${mark.why}`,
    fix: 'settle what is in doubt, then lift the mark with: onefold ledger lift; until then an operation without a record may have happened',
  }
}
