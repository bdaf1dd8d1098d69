import type { Requirement } from '../test/requirements.ts'

/** One executed test, as a runner reports it. */
export interface Executed {
  /** Path from the repository's root, with slashes. */
  readonly file: string
  /** With the titles of the groups around it. */
  readonly title: string
  readonly passed: boolean
}

/** What executed tests say about one requirement. */
export interface Row {
  readonly id: string
  readonly statement: string
  readonly verdict: 'met' | 'not yet' | 'broken'
  /** The reason of `not yet`, or what broke. */
  readonly note: string
  readonly passed: number
  readonly failed: number
}

export interface Verdict {
  readonly rows: readonly Row[]
  /** What makes the gate fail: a claim without its test, a failed test, an unknown id, a faulty entry. */
  readonly faults: readonly string[]
}

const TAG = /\[([A-Z]{2}-\d+)\]/g

/** The ids that a title carries in brackets. */
export const tagsOf = (title: string): readonly string[] => [...title.matchAll(TAG)].map((match) => match[1] ?? '')

/** Compares the catalogue with what ran. Nothing is taken on trust: a claim needs an executed, passing test. */
export function judge(catalogue: readonly Requirement[], executed: readonly Executed[]): Verdict {
  const faults: string[] = []
  const known = new Set(catalogue.map(({ id }) => id))
  if (known.size !== catalogue.length) faults.push('an id stands twice in test/requirements.ts')
  for (const { file, title } of executed) {
    for (const id of tagsOf(title)) if (!known.has(id)) faults.push(`${file}: “${title}” names the unknown id ${id}`)
  }
  const rows = catalogue.map(({ id, statement, tests, notYet }): Row => {
    const tagged = executed.filter(({ title }) => tagsOf(title).includes(id))
    const passed = tagged.filter((test) => test.passed).length
    const failed = tagged.length - passed
    const counts = { id, statement, passed, failed }
    if ((tests === undefined) === (notYet === undefined)) {
      faults.push(`${id}: needs either tests or a reason why not yet`)
      return { ...counts, verdict: 'broken', note: 'faulty entry' }
    }
    if (tests === undefined) return { ...counts, verdict: 'not yet', note: notYet ?? '' }
    const broken = [
      ...tests
        .filter((file) => !tagged.some((test) => test.passed && test.file === file))
        .map((file) => `no test of ${file} that carries it ran and passed`),
      ...tagged.filter((test) => !test.passed).map((test) => `failed: ${test.file}: ${test.title}`),
    ]
    faults.push(...broken.map((what) => `${id}: ${what}`))
    return { ...counts, verdict: broken.length === 0 ? 'met' : 'broken', note: broken.join('; ') }
  })
  return { rows, faults }
}
