import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SpoolEntry } from '../../engine/index.ts'
import { fileSpool } from './file-spool.ts'

/** A process that spools answers until it is killed: folder, bytes to reserve, number of answers, size of each. */
const WRITER = `
  import { fileSpool } from ${JSON.stringify(new URL('./file-spool.ts', import.meta.url).href)}
  const [folder, reserve, count, size] = process.argv.slice(1)
  const spool = fileSpool(folder)
  await spool.reserve(Number(reserve))
  for (let n = 0; n < Number(count); n += 1) {
    const outcome = { kind: 'value', text: 'x'.repeat(Number(size)), sha256: 'a', size: Number(size) }
    try {
      await spool.append({ key: 'key-' + n, tenant: 'acme', fence: n + 1, nonce: 'n', outcome, at: n, who: 'child' })
      console.log('acknowledged ' + n)
    } catch (error) {
      console.log('refused ' + error.code)
      break
    }
  }
  setInterval(() => undefined, 1000)
`

const entry = (key: string): SpoolEntry => ({
  key,
  tenant: 'acme',
  fence: 1,
  nonce: 'n',
  outcome: { kind: 'value', text: key, sha256: 'a', size: 1 },
  at: 1,
  who: 'test',
})

let folder = ''
const children: ChildProcess[] = []

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'onefold-spool-')), 'spool')
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(join(folder, '..'), { recursive: true, force: true })
})

/** Starts the writer and resolves with its output when a line matches; `limit` is `ulimit -f` in KiB. */
async function writer(
  args: readonly (string | number)[],
  until: RegExp,
  limit?: number,
): Promise<{ child: ChildProcess; output: string }> {
  const command = [process.execPath, '--input-type=module', '-e', WRITER, folder, ...args.map(String)]
  const shell = limit === undefined ? 'exec "$@"' : `ulimit -f ${limit}; exec "$@"`
  const child = spawn('bash', ['-c', shell, 'bash', ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      if (until.test(output)) resolve()
    })
    child.once('exit', () => reject(new Error(`the writer ended: ${output}`)))
  })
  return { child, output }
}

const kill = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })

async function drained(
  spool: ReturnType<typeof fileSpool>,
  take: (key: string) => boolean = () => true,
): Promise<string[]> {
  const keys: string[] = []
  await spool.drain(async ({ key }) => {
    keys.push(key)
    return take(key)
  })
  return keys
}

describe('fileSpool', () => {
  it('offers what was appended, forgets what was applied, keeps the rest', async () => {
    const spool = fileSpool(folder)
    await spool.reserve(10_000)
    await spool.append(entry('one'))
    await spool.append(entry('two'))
    expect(await drained(spool, (key) => key === 'one')).toEqual(['one', 'two'])
    expect(await drained(spool)).toEqual(['two'])
    expect(await drained(spool)).toEqual([])
    await spool.append(entry('three'))
    expect(await drained(spool)).toEqual(['three'])
    await spool.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it('keeps an entry that is appended while others are being offered', async () => {
    const spool = fileSpool(folder)
    await spool.append(entry('one'))
    await spool.drain(async () => {
      await spool.append(entry('late'))
      return true
    })
    expect(await drained(spool)).toEqual(['late'])
    await spool.close()
  })

  it('keeps an entry whose application throws', async () => {
    const spool = fileSpool(folder)
    await spool.append(entry('one'))
    expect(await spool.drain(() => Promise.reject(new Error('ledger down')))).toBe(0)
    expect(await drained(spool)).toEqual(['one'])
    await spool.close()
  })

  it('is readable for its owner alone', async () => {
    const spool = fileSpool(folder)
    await spool.append(entry('one'))
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, readdirSync(folder)[0]!)).mode & 0o777).toBe(0o600)
    await spool.close()
  })

  it('takes real space when it reserves', async () => {
    const spool = fileSpool(folder)
    await spool.reserve(1024 * 1024)
    const { size, blocks } = statSync(join(folder, readdirSync(folder)[0]!))
    expect(size).toBe(1024 * 1024)
    expect(blocks * 512).toBeGreaterThanOrEqual(1024 * 1024)
    await spool.close()
  })

  it('hands a killed process’s acknowledged answers to the next one, once', async () => {
    const { child } = await writer([100_000, 20, 100], /acknowledged 19/)
    expect(await drained(fileSpool(folder))).toEqual([])
    await kill(child)
    const heirs = [fileSpool(folder), fileSpool(folder)]
    const seen = (await Promise.all(heirs.map((heir) => drained(heir)))).flat()
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => `key-${n}`))
    expect(readdirSync(folder)).toEqual([])
  })

  it('leaves what an heir could not apply to its own next drain, and to others', async () => {
    const { child } = await writer([0, 2, 100], /acknowledged 1/)
    await kill(child)
    const heir = fileSpool(folder)
    expect(await drained(heir, (key) => key === 'key-0')).toEqual(['key-0', 'key-1'])
    expect(await drained(heir, () => false)).toEqual(['key-0', 'key-1'])
    expect(await drained(fileSpool(folder))).toEqual(['key-0', 'key-1'])
    expect(await drained(heir)).toEqual([])
    expect(readdirSync(folder)).toEqual([])
  })

  it('hands over what a closed one of the same process has left, and nothing of an open one', async () => {
    const closed = fileSpool(folder)
    await closed.append(entry('closed'))
    const open = fileSpool(folder)
    await open.append(entry('open'))
    const next = fileSpool(folder)
    expect(await drained(next)).toEqual([])
    await closed.close()
    expect(await drained(next)).toEqual(['closed'])
    expect(await drained(open)).toEqual(['open'])
    await open.close()
  })

  it('passes over the torn tail of a killed process', async () => {
    const { child } = await writer([0, 3, 100], /acknowledged 2/)
    await kill(child)
    const path = join(folder, readdirSync(folder)[0]!)
    truncateSync(path, statSync(path).size - 10)
    expect(await drained(fileSpool(folder))).toEqual(['key-0', 'key-1'])
  })

  it('writes a line again when its file was taken over while it lived', async () => {
    const spool = fileSpool(folder)
    await spool.append(entry('one'))
    const [name] = readdirSync(folder)
    const taken = readFileSync(join(folder, name!))
    rmSync(join(folder, name!))
    writeFileSync(join(folder, 'answers-1-1-abc.txt'), taken)
    await spool.append(entry('two'))
    expect(await drained(spool)).toEqual(['two'])
    await spool.close()
  })

  it('takes an answer on a full disk from the reserve, and says so when that is used up', async () => {
    // 64 KiB is all that the disk gives: 48 of them are reserved, 40 answers of 1 KiB fit, 80 do not.
    const { output, child } = await writer([48 * 1024, 80, 1000], /refused/, 64)
    expect(output).toContain('acknowledged 40')
    expect(output).toContain('refused STORE_UNAVAILABLE')
    await kill(child)
    expect(await drained(fileSpool(folder))).toHaveLength(output.match(/acknowledged/g)!.length)
  })

  it('says why a folder cannot be used', async () => {
    writeFileSync(join(folder, '..', 'file'), '')
    const spool = fileSpool(join(folder, '..', 'file', 'spool'))
    await expect(spool.append(entry('one'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})
