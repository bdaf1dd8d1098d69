import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { judge, tagsOf, type Executed } from '../scripts/requirements-gate.ts'
import { readTestRun } from '../scripts/test-report.ts'
import { by, REQUIREMENTS, type Requirement } from './requirements.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const one: Requirement = { id: 'ZZ-1', statement: 'one effect', ...by('test/mail.test.ts') }
const passing: Executed = { file: 'test/mail.test.ts', title: `fourteen mails > one effect ${'[ZZ-1]'}`, passed: true }

describe('the catalogue', () => {
  it('has every family whole, each id once, each entry either proven or excused', () => {
    const ids = REQUIREMENTS.map(({ id }) => id)
    const families = { BF: 14, IN: 16, SH: 9, OR: 14, AG: 10 }
    const expected = Object.entries(families).flatMap(([name, size]) =>
      Array.from({ length: size }, (_, i) => `${name}-${i + 1}`),
    )
    expect(ids.toSorted()).toEqual(expected.toSorted())
    for (const { id, tests, notYet } of REQUIREMENTS)
      expect((tests === undefined) !== (notYet === undefined), id).toBe(true)
  })
})

describe('the gate', () => {
  it('accepts a claim that an executed, passing test bears out', () => {
    expect(judge([one], [passing])).toMatchObject({ faults: [], rows: [{ verdict: 'met', passed: 1, failed: 0 }] })
  })

  it.each<[string, readonly Requirement[], readonly Executed[], string]>([
    ['a named test that did not run', [one], [], 'ZZ-1: no test of test/mail.test.ts that carries it ran and passed'],
    [
      'a named test that failed',
      [one],
      [{ ...passing, passed: false }],
      'ZZ-1: failed: test/mail.test.ts: fourteen mails',
    ],
    [
      'a passing test beside a failing one',
      [one],
      [passing, { ...passing, file: 'test/other.test.ts', passed: false }],
      'ZZ-1: failed: test/other.test.ts',
    ],
    [
      'a tag in another file than the one named',
      [one],
      [{ ...passing, file: 'test/x.test.ts' }],
      'no test of test/mail',
    ],
    ['a test that names no tag', [one], [{ ...passing, title: 'one effect' }], 'no test of test/mail'],
    ['an unknown id', [], [passing], 'names the unknown id ZZ-1'],
    ['an id that stands twice', [one, one], [passing], 'stands twice'],
    ['an entry with neither tests nor reason', [{ id: 'ZZ-1', statement: '' }], [], 'needs either tests or a reason'],
    ['an entry with both', [{ ...one, notYet: 'soon' }], [passing], 'needs either tests or a reason'],
  ])('finds %s', (_name, catalogue, executed, fault) => {
    expect(judge(catalogue, executed).faults.join('\n')).toContain(fault)
  })

  it('reads all tags of a title and nothing that only looks like one', () => {
    expect(tagsOf('x [AB-1][CD-22] [ab-1] AB-3 [ABC-1] [T1]')).toEqual(['AB-1', 'CD-22'])
  })

  it('does not count an open requirement as met, whatever passes', () => {
    const open: Requirement = { id: 'ZZ-1', statement: 'one effect', notYet: 'engine' }
    expect(judge([open], [passing])).toMatchObject({ faults: [], rows: [{ verdict: 'not yet', passed: 1 }] })
  })
})

describe('the command', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'onefold-gate-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const report = join(scratch, 'tests.json')
  const write = (...tests: readonly (readonly [title: string, status: string])[]): void => {
    const assertionResults = tests.map(([fullName, status]) => ({ fullName, status }))
    const testResults = [{ name: join(root, 'test/seeded.test.ts'), status: 'passed', assertionResults }]
    writeFileSync(report, JSON.stringify({ startTime: 0, testResults }))
  }
  const command = (...flags: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [join(root, 'scripts/requirements.ts'), '--report', report, ...flags], {
      encoding: 'utf8',
    })

  it('--gate fails on an unknown id and passes without; --check fails while anything is open', () => {
    write(['a seeded test', 'passed'])
    const claimed = REQUIREMENTS.some(({ tests }) => tests !== undefined)
    expect(command('--gate').status).toBe(claimed ? 1 : 0)
    expect(command('--check').status).toBe(1)
    write([`a seeded test ${'[ZZ-9]'}`, 'passed'])
    const failed = command('--gate')
    expect(failed.status).toBe(1)
    expect(failed.stdout).toContain('names the unknown id ZZ-9')
  })

  it('--json is one document, with a row for each requirement', () => {
    write(['a seeded test', 'passed'])
    const { rows } = JSON.parse(String(command('--json').stdout)) as { rows: readonly unknown[] }
    expect(rows).toHaveLength(REQUIREMENTS.length)
  })

  it('counts no skipped test, and a missing report is no success', () => {
    write(['ran', 'passed'], ['left out', 'skipped'], ['to do', 'todo'], ['broke', 'failed'])
    expect(readTestRun(report)?.executed.map(({ title }) => title)).toEqual(['ran', 'broke'])
    rmSync(report)
    expect(command('--gate').status).toBe(2)
  })
})
