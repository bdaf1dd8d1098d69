import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { checkRooms, show } from '../scripts/rooms-check.ts'
import { EXCEPTIONS, ROOMS, ROOT_FILES } from '../scripts/rooms.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const seeded = join(root, 'test/fixtures/rooms')
const options = { rootFiles: ROOT_FILES, exceptions: [] }

describe('the rooms of src/', () => {
  it('are kept', () => {
    expect(checkRooms(root, ROOMS, { rootFiles: ROOT_FILES, exceptions: EXCEPTIONS }).map(show)).toEqual([])
  })

  it('import downward only: the table itself has no loop', () => {
    for (const room of ROOMS) {
      for (const other of room.also ?? []) {
        const there = ROOMS.find((one) => one.room === other)
        expect(there?.layer, `${room.room} → ${other}`).toBe(room.layer)
        expect(there?.also ?? [], `${room.room} ⇄ ${other}`).not.toContain(room.room)
      }
    }
  })

  it('give a reason for each exception', () => {
    for (const { file, reason } of EXCEPTIONS) expect(reason.length, file).toBeGreaterThan(20)
  })
})

describe('a seeded violation is found', () => {
  const found = checkRooms(seeded, ROOMS, options)
  const at = (file: string): readonly string[] =>
    found.filter((one) => one.file === `src/${file}`).map(({ rule, line }) => `${line} ${rule}`)

  it.each([
    ['upward import', 'key/upward.ts', ['1 layer']],
    ['sibling store', 'store/sqlite/sibling.ts', ['1 layer']],
    ['room of the same layer', 'downstream/index.ts', ['1 layer']],
    ['file outside every room', 'cli/main.ts', ['1 layer']],
    ['side door', 'engine/inside.ts', ['1 entry']],
    ['export * across rooms', 'engine/star.ts', ['1 star']],
    ['third-party type', 'key/library.ts', ['1 package']],
    ['type import expression', 'engine/type.ts', ['1 package']],
    ['node module', 'contract/builtin.ts', ['1 node']],
    ['dynamic node module', 'engine/lazily.ts', ['1 node']],
    ['computed import', 'engine/computed.ts', ['1 computed']],
    ['randomness by import', 'key/random.ts', ['1 global']],
    ['source over 400 lines', 'engine/long.ts', ['1 lines']],
    ['adapter over 200 lines', 'adapter/thing/doing-the-engines-work.ts', ['1 lines']],
    ['folder that is no room', 'attic/index.ts', ['1 unknown-room']],
    ['stray file', 'stray.ts', ['1 unknown-room']],
    ['room without an entry', 'config/file.ts', ['1 missing']],
  ])('%s', (_name, file, violations) => {
    expect(at(file)).toEqual(violations)
  })

  it('each banned global, by its line', () => {
    expect(at('engine/globals.ts')).toEqual(Array.from({ length: 14 }, (_, index) => `${index + 1} global`))
  })

  it('and nothing else is: types, members, keys, and dates from a number are allowed', () => {
    expect(at('engine/allowed.ts')).toEqual([])
    expect(found.filter(({ file }) => file.startsWith('src/adapter/thing/index'))).toEqual([])
    expect(found.filter(({ file }) => file === 'src/error/index.ts' || file === 'src/contract/index.ts')).toEqual([])
  })
})

describe('a test inside a room', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'onefold-rooms-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(scratch, file)), { recursive: true })
    writeFileSync(join(scratch, file), text)
  }

  it('may use libraries, clocks and higher rooms, but no other room by a side door', () => {
    write('src/key/index.ts', "export const key = 'k'\n")
    write('src/engine/index.ts', 'export const engine = 1\n')
    write('src/engine/inside.ts', 'export const inside = 1\n')
    write(
      'src/key/key.test.ts',
      "import 'vitest'\nimport 'node:fs'\nimport '../engine/index.ts'\nimport './index.ts'\nimport '../engine/inside.ts'\nDate.now()\n",
    )
    expect(checkRooms(scratch, ROOMS, options).map(({ rule, line }) => `${line} ${rule}`)).toEqual(['5 entry'])
  })

  it('a file that does not parse and an exception for a file that is gone are reported', () => {
    rmSync(join(scratch, 'src'), { recursive: true, force: true })
    write('src/error/index.ts', 'export const = 1\n')
    const exceptions = [{ file: 'src/error/gone.ts', maxLines: 500, reason: 'none' }]
    const found = checkRooms(scratch, ROOMS, { rootFiles: [], exceptions })
    expect(found.map(({ rule, file }) => `${file} ${rule}`)).toEqual([
      'src/error/index.ts syntax',
      'src/error/gone.ts stale-exception',
    ])
  })
})
