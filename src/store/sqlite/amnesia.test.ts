import { copyFileSync, mkdtempSync, readFileSync, rmSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimOf } from '../../../test/support/claim.ts'
import type { Store } from '../../engine/index.ts'
import { sqliteStore } from './index.ts'

let folder = ''
let path = ''
const stores: Store[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onefold-amnesia-'))
  path = join(folder, 'ledger.db')
})

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close().catch(() => undefined)))
  rmSync(folder, { recursive: true, force: true })
})

async function opened(): Promise<Store> {
  const store = sqliteStore(path)
  stores.push(store)
  await store.open()
  return store
}

const claim = (store: Store, key: string): ReturnType<Store['write']> =>
  store.write(claimOf(key, key, { leaseMs: 1, mark: false }))

async function claims(store: Store, names: string, count: number): Promise<number> {
  let sequence = 0
  for (let n = 0; n < count; n += 1) sequence = (await claim(store, `${names} ${n}`)).sequence
  return sequence
}

describe('loss of records', () => {
  it('is not seen over an ordinary restart, nor after a kill that left the side file behind', async () => {
    const store = await opened()
    await claims(store, 'a', 3)
    await store.close()
    const lagging = readFileSync(`${path}.seq`, 'utf8')
    const again = await opened()
    await claims(again, 'b', 3)
    await again.close()
    writeFileSync(`${path}.seq`, lagging)
    expect((await (await opened()).epoch()).amnesia).toBeUndefined()
  })

  it('is seen when an older copy was put back, dated from the copy’s last step; fences go on', async () => {
    const store = await opened()
    await claims(store, 'a', 3)
    await store.close()
    copyFileSync(path, `${path}.backup`)
    const again = await opened()
    const sequence = await claims(again, 'b', 5)
    await again.close()
    rmSync(path)
    copyFileSync(`${path}.backup`, path)
    const restored = await opened()
    const { amnesia } = await restored.epoch()
    expect(amnesia?.why).toMatch(/ends at step 3, but step 8 was acknowledged/)
    expect(amnesia?.lossFrom).toBeLessThanOrEqual(amnesia?.at ?? 0)
    const answer = await claim(restored, 'c')
    expect(answer.amnesiaAt).toBe(amnesia?.at)
    expect(answer.record?.fence).toBeGreaterThan(sequence)
    expect((await restored.doctor()).find((finding) => finding.check === 'amnesia')).toMatchObject({ ok: false })
  })

  it('is seen when the file was deleted, and once lifted is not seen again', async () => {
    const store = await opened()
    await claims(store, 'a', 3)
    await store.close()
    rmSync(path)
    const fresh = await opened()
    const { amnesia } = await fresh.epoch()
    expect(amnesia?.why).toMatch(/was replaced/)
    await fresh.markAmnesia(undefined)
    await fresh.close()
    expect((await (await opened()).epoch()).amnesia).toBeUndefined()
  })

  it('is no loss when the file and its side file are both gone', async () => {
    const store = await opened()
    await claims(store, 'a', 3)
    await store.close()
    rmSync(path)
    rmSync(`${path}.seq`)
    expect((await (await opened()).epoch()).amnesia).toBeUndefined()
  })

  it('stays marked through restarts, and a second one does not shorten the first', async () => {
    const store = await opened()
    await claims(store, 'a', 3)
    await store.markAmnesia({ at: 7, lossFrom: 1, why: 'told' })
    await store.close()
    copyFileSync(path, `${path}.backup`)
    const again = await opened()
    await claims(again, 'b', 5)
    await again.close()
    rmSync(path)
    copyFileSync(`${path}.backup`, path)
    const restored = await opened()
    expect((await restored.epoch()).amnesia).toMatchObject({ lossFrom: 1, why: expect.stringMatching(/ends at step/) })
  })

  it('is seen while the store is open, by a sequence that falls', async () => {
    const store = await opened()
    const sequence = await claims(store, 'a', 5)
    const other = new DatabaseSync(path)
    other.exec('UPDATE meta SET sequence = sequence - 3')
    other.close()
    const answer = await claim(store, 'b')
    expect(answer.sequence).toBeGreaterThan(sequence)
    expect(answer.amnesiaAt).toBeGreaterThan(0)
    expect((await store.epoch()).amnesia?.why).toMatch(/ends at step 2, but step 5 was acknowledged/)
  })

  it('is not risked: a file that was moved away takes no more writes', async () => {
    const store = await opened()
    await claims(store, 'a', 3)
    renameSync(path, `${path}.away`)
    // The last look for the files is one of before by then.
    await pause(10)
    await expect(claim(store, 'b')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('moved or replaced'),
    })
    // The next call opens what is there now: an empty ledger, and the memory of another one.
    await store.close()
    expect((await (await opened()).epoch()).amnesia).toBeDefined()
  })
})
