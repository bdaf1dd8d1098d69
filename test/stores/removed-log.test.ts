import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder, testGuard } from '../support/guard.ts'

const TOOL = 'effect'
let downstream: Downstream
let folder: ReturnType<typeof temporaryFolder>
let path = ''

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => {
  await downstream.close()
})

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder.path, 'ledger.db')
})

afterEach(() => folder.remove())

/** What a process prints that runs `code` and then ends. */
async function inAnother(code: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, path, ...args])
  return stdout.trim()
}

/** Folds the log into the file, as the program sqlite3 does when it ends. */
const FOLD_IN = `
  import { DatabaseSync } from 'node:sqlite'
  const file = new DatabaseSync(process.argv[1], { timeout: 0 })
  console.log(file.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get().log)
  file.close()`

/** Another process of the same service. */
const CALL = `
  import * as z from 'zod'
  import { manual } from ${JSON.stringify(new URL('../../src/contract/index.ts', import.meta.url).href)}
  import { sqliteStore } from ${JSON.stringify(new URL('../../src/store/sqlite/index.ts', import.meta.url).href)}
  import { testGuard } from ${JSON.stringify(new URL('../support/guard.ts', import.meta.url).href)}
  const [path, url, ref] = process.argv.slice(1)
  const guard = testGuard({ store: sqliteStore(path) })
  const outcome = await guard.tool({
    name: '${TOOL}', input: z.object({ ref: z.string() }), effect: 'write', identity: ['ref'], recovery: manual(),
    execute: async () => await (await fetch(url + '/effects/' + ref, { method: 'POST', body: '{}' })).json(),
  }).perform({ ref })
  console.log(outcome.status, outcome.replayed)
  await guard.close()`

const callElsewhere = (ref: string): Promise<string> => inAnother(CALL, downstream.url, ref)

function effectTool(guard: Guard) {
  return guard.tool({
    name: TOOL,
    input: z.object({ ref: z.string() }),
    effect: 'write',
    identity: ['ref'],
    recovery: manual(),
    execute: async ({ ref }) =>
      await (await fetch(`${downstream.url}/effects/${ref}`, { method: 'POST', body: '{}' })).json(),
  })
}

describe.each([false, true])(
  'a ledger whose log goes while it is open, on the caller’s thread: %s',
  (onCallersThread) => {
    it.each([
      [
        // What the program sqlite3 3.40 does where it sees nobody else: a process that reads the file itself loses its locks.
        'since somebody who took it for his own came and went',
        async () => {
          expect(await inAnother(FOLD_IN)).toBe('0')
          for (const end of ['-wal', '-shm']) rmSync(path + end)
        },
      ],
      ['since somebody deleted the index of the log', async () => rmSync(`${path}-shm`)],
    ])('%s: no effect twice, and it is said', async (_, remove) => {
      const guard = testGuard({ store: sqliteStore({ path, onCallersThread }), settings: { replayMemoryMs: 0 } })
      await guard.open()
      const effect = effectTool(guard)
      const ref = path
      await effect({ ref: `${ref} before` })
      await remove()
      expect(await callElsewhere(ref)).toBe('committed false')
      for (let times = 0; times < 2; times += 1) {
        await expect(effect({ ref })).rejects.toMatchObject({
          code: 'STORE_UNAVAILABLE',
          effect: 'none',
          message: expect.stringContaining('end this process and start it again'),
        })
      }
      await guard.close()
      expect(await callElsewhere(ref)).toBe('committed true')
      expect(await callElsewhere(`${ref} before`)).toBe('committed true')
      expect(await downstream.effects(ref)).toBe(1)
      expect(await downstream.effects(`${ref} before`)).toBe(1)
    })
  },
)
