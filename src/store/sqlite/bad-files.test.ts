import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStore } from './index.ts'

const OWNER = { key: 'k', tenant: 't' }
let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-bad-'))
  path = join(folder, 'ledger.db')
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Opens a ledger and writes blobs until told why not; prints the error. */
const CHILD = `
  import { sqliteStore } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
  const [path, count] = process.argv.slice(1)
  const store = sqliteStore(path)
  try {
    await store.open()
    for (let n = 0; n < Number(count); n += 1) await store.putBlob(${JSON.stringify(OWNER)}, 'blob ' + n, new Uint8Array(100_000).fill(n))
    console.log(JSON.stringify({ code: 'none' }))
  } catch ({ code, effect, message }) {
    console.log(JSON.stringify({ code, effect, message }))
  }
  await store.close().catch(() => undefined)
`

interface Told {
  readonly code: string
  readonly effect?: string
  readonly message?: string
}

interface ChildOptions {
  readonly limitKib?: number
  readonly nobody?: boolean
  /** A command that starts it. */
  readonly under?: readonly string[]
}

/** Runs the child as a user without rights, or under a limit to the size of files. */
function child(count: number, options: ChildOptions = {}): Told {
  const limit = options.limitKib === undefined ? '' : `ulimit -f ${options.limitKib};`
  const result = spawnSync(
    'bash',
    // Its standard input is a socket, which makes bash believe in a remote shell and read the user's settings.
    [
      '--norc',
      '-c',
      `${limit} exec "$@"`,
      'bash',
      ...(options.under ?? []),
      process.execPath,
      '--input-type=module',
      '-e',
      CHILD,
      path,
      String(count),
    ],
    {
      encoding: 'utf8',
      ...(options.nobody === true && process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
    },
  )
  expect(result.stderr).toBe('')
  return JSON.parse(result.stdout) as Told
}

describe('a path that cannot be a ledger', () => {
  it.each([
    ['text', 'This is not a database, but it is long enough to be taken for one.'.repeat(100)],
    ['a few bytes', 'hello'],
  ])('is refused when it holds %s, and left as it was', async (_what, content) => {
    writeFileSync(path, content)
    await expect(sqliteStore(path).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      effect: 'none',
      message: expect.stringContaining('is not an SQLite database'),
    })
    expect(readFileSync(path, 'utf8')).toBe(content)
  })

  it('is refused when it is another application’s database, which stays as it was', async () => {
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)')
    other.close()
    const before = readFileSync(path)
    await expect(sqliteStore(path).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('of another application'),
    })
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it('is refused when it has a newer schema, which stays as it was', async () => {
    const store = sqliteStore(path)
    await store.open()
    await store.close()
    const other = new DatabaseSync(path)
    other.exec('PRAGMA user_version = 99')
    other.close()
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringMatching(/schema 99.*update onefold/),
    })
    await expect(store.epoch()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('is refused with the reason where its directories cannot be made, at once also in a file system of the kernel', async () => {
    const file = join(folder, 'a file')
    writeFileSync(file, '')
    for (const [taken, why] of [
      [file, 'ENOTDIR'],
      ['/proc', 'ENOENT|EROFS|EACCES'], // the latter where there is none
    ] as const) {
      await expect(sqliteStore(join(taken, 'state', 'onefold', 'ledger.db')).open()).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        effect: 'none',
        retryable: false,
        message: expect.stringMatching(`cannot be created \\((${why}).*name a directory that this user may write to`),
      })
    }
  })

  it('is refused when it is damaged', async () => {
    const store = sqliteStore(path)
    await store.open()
    for (let n = 0; n < 50; n += 1) await store.putBlob(OWNER, `blob ${n}`, new Uint8Array(10_000))
    await store.close()
    const bytes = readFileSync(path)
    bytes.fill(0xaa, 100, 8192)
    writeFileSync(path, bytes)
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('is damaged'),
    })
  })

  it.each([false, true])(
    'that is damaged while it is read can be closed (on the caller’s thread: %s)',
    async (direct) => {
      const made = sqliteStore(path)
      await made.open()
      for (let n = 0; n < 20; n += 1) await made.putBlob(OWNER, `blob ${n}`, new Uint8Array(10_000).fill(n))
      await made.close()
      // Everything behind the first pages, which are looked at when it is opened.
      const bytes = readFileSync(path)
      bytes.fill(0xff, 60_000)
      writeFileSync(path, bytes)
      const store = sqliteStore({ path, onCallersThread: direct })
      await store.open()
      const told: unknown[] = []
      // Each that fails costs a worker.
      for (let n = 0; n < 20 && told.length < 3; n += 1)
        await store.getBlob(OWNER, `blob ${n}`).catch((error: unknown) => told.push((error as { code: string }).code))
      expect(told).toContain('STORE_UNSAFE')
      await store.close()
    },
  )

  it('is unavailable when it is a folder', async () => {
    mkdirSync(path)
    await expect(sqliteStore(path).open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
  })

  it('is unavailable when a part of it is a file', async () => {
    writeFileSync(join(folder, 'file'), '')
    await expect(sqliteStore(join(folder, 'file', 'ledger.db')).open()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
  })

  it.each(['', ':memory:', 'sqlite:./x.db', 'file:x.db', 'postgres://db/x', 'redis://h:1/0'])(
    'is refused at once when it is %j',
    (where) => {
      expect(() => sqliteStore(where)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    },
  )

  it('may be on a drive, and have a colon in its name', () => {
    expect(() => [sqliteStore('C:\\data\\x.db'), sqliteStore(join(folder, 'a:b.db'))]).not.toThrow()
  })
})

describe('rights', () => {
  it('are the owner’s alone, for every file and every folder that is made', async () => {
    path = join(folder, 'a', 'b', 'ledger.db')
    const store = sqliteStore(path)
    await store.open()
    await store.putBlob(OWNER, 'a', new Uint8Array(1))
    const modes = ['', '-wal', '-shm'].map((end) => statSync(path + end).mode & 0o777)
    expect(modes).toEqual([0o600, 0o600, 0o600])
    expect([join(folder, 'a'), join(folder, 'a', 'b')].map((made) => statSync(made).mode & 0o777)).toEqual([
      0o700, 0o700,
    ])
    await store.close()
    expect(statSync(`${path}.seq`).mode & 0o777).toBe(0o600)
    expect(existsSync(`${path}-wal`)).toBe(false)
  })

  it('that are missing for the folder make the store unavailable', () => {
    chmodSync(folder, 0o555)
    expect(child(1, { nobody: true })).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'none',
      message: expect.stringContaining(path),
    })
    chmodSync(folder, 0o755)
  })

  it('that are missing for the file make the store unavailable', async () => {
    const store = sqliteStore(path)
    await store.open()
    await store.close()
    chmodSync(folder, 0o777)
    chmodSync(path, 0o444)
    expect(child(1, { nobody: true })).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
  })

  it('that others have are found', async () => {
    const store = sqliteStore(path)
    await store.open()
    chmodSync(path, 0o644)
    const finding = (await store.doctor()).find((each) => each.check === 'file mode')
    expect(finding).toMatchObject({ ok: false, found: '0644', fix: expect.stringContaining(`chmod 600 ${path}`) })
    await store.close()
  })
})

/** A mount of our own, seen by the child alone; containers often have no right to it. */
const OWN_MOUNTS = ['unshare', '--mount', '--map-root-user']
const mayMount =
  spawnSync(OWN_MOUNTS[0] as string, [...OWN_MOUNTS.slice(1), 'mount', '--bind', tmpdir(), tmpdir()]).status === 0

describe('a file under two names', () => {
  const refused = (text: string): Record<string, unknown> => ({
    code: 'STORE_UNSAFE',
    effect: 'none',
    message: expect.stringContaining(text),
  })

  it('is refused when they are hard links, and taken again when one is left', async () => {
    const first = sqliteStore(path)
    await first.open()
    await first.close()
    linkSync(path, `${path}.other`)
    await expect(first.open()).rejects.toMatchObject(refused('2 names'))
    rmSync(`${path}.other`)
    await first.open()
    await first.close()
  })

  it('is taken when one is a symbolic link', async () => {
    writeFileSync(path, '')
    symlinkSync(path, `${path}.other`)
    const store = sqliteStore(`${path}.other`)
    await expect(store.open()).resolves.toBeUndefined()
    await store.close()
    expect(existsSync(`${path}.other-wal`)).toBe(false)
  })

  it.skipIf(!mayMount)('is refused when it is a mount of the file alone', () => {
    const source = join(folder, 'source.db')
    path = join(folder, 'a ledger.db')
    writeFileSync(source, '')
    writeFileSync(path, '')
    const mounted = ['sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh', source, path]
    expect(child(1, { under: [...OWN_MOUNTS, ...mounted] })).toMatchObject(refused('mounted as a single file'))
    expect(child(1)).toEqual({ code: 'none' })
  })
})

describe('a full disk', () => {
  it('refuses what does not fit, and keeps what was acknowledged', async () => {
    if (process.getuid?.() === 0) chownSync(folder, 65534, 65534)
    expect(child(100, { limitKib: 2048 })).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      effect: 'none',
      message: expect.stringMatching(/full|failed/),
    })
    expect(child(1)).toEqual({ code: 'none' })
    const store = sqliteStore(path)
    await store.open()
    expect((await store.getBlob(OWNER, 'blob 0'))?.byteLength).toBe(100_000)
    expect((await store.doctor()).filter((finding) => finding.unsafe)).toEqual([])
    await store.close()
  })
})
