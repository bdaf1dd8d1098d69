import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lossOf, readSideFile, writeSideFile } from './side-file.ts'

const remembered = { id: 'a', sequence: 100, createdAt: 10 }

describe('lossOf', () => {
  const present = { id: 'a', sequence: 100, createdAt: 10, clock: 500 }

  it('sees none where nothing is remembered, or nothing is missing', () => {
    expect(lossOf(undefined, present, 900)).toBeUndefined()
    expect(lossOf(remembered, present, 900)).toBeUndefined()
    expect(lossOf(remembered, { ...present, sequence: 200 }, 900)).toBeUndefined()
  })

  it('dates the loss of an older copy from that copy’s last step', () => {
    expect(lossOf(remembered, { ...present, sequence: 99 }, 900)).toMatchObject({ at: 900, lossFrom: 500 })
  })

  it('dates the loss of another file from the lost one’s beginning', () => {
    expect(lossOf(remembered, { ...present, id: 'b', sequence: 1000 }, 900)).toMatchObject({ at: 900, lossFrom: 10 })
  })

  it('does not mourn an empty file', () => {
    expect(lossOf({ ...remembered, sequence: 0 }, { ...present, id: 'b' }, 900)).toBeUndefined()
  })
})

describe('side file', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'onefold-side-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  it('comes back as it was written, for the owner alone, with nothing left beside it', () => {
    const path = join(folder, 'x.seq')
    writeSideFile(path, remembered)
    writeSideFile(path, { ...remembered, sequence: 101 })
    expect(readSideFile(path)).toEqual({ ...remembered, sequence: 101 })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['x.seq'])
  })

  it.each(['', '{', '[]', 'null', '{"id":"a"}', '{"id":"a","sequence":"1","createdAt":1}'])(
    'is no memory when it holds %j',
    (content) => {
      const path = join(folder, 'x.seq')
      writeFileSync(path, content)
      expect(readSideFile(path)).toBeUndefined()
    },
  )

  it('is no memory when it is not there', () => {
    expect(readSideFile(join(folder, 'none'))).toBeUndefined()
  })
})
