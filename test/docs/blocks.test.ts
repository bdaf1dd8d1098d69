import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { blocksOf, checkPage, regionOf } from '../../scripts/docs-check-blocks.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).toSorted()
const read = (file: string): string | undefined =>
  existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8')

  it('has no code that is not run', () => {
    expect(checkPage(text, read).faults).toEqual([])
  })

  it('links to files that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1] ?? '')
    const targets = links.map((link) => posix.join(posix.dirname(page), link))
    expect(targets.filter((target) => !existsSync(join(root, target)))).toEqual([])
  })

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }
    const named = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map((match) => match[1] ?? '')
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

describe('the check', () => {
  const example =
    "import 'x'\n// #region call\n  const a = 1\n\n  // #region inner\n    use(a)\n  // #endregion inner\n// #endregion call\n"
  const files = (file: string): string | undefined => (file === 'examples/a/main.ts' ? example : undefined)
  const page = (comment: string, body: string, language = 'ts'): string =>
    `# Page\n\n${comment}\n\`\`\`${language}\n${body}\n\`\`\`\n\nEnd.\n`

  it('takes a region without its indentation and without inner markers', () => {
    expect(regionOf(example, 'call')).toBe('const a = 1\n\n  use(a)')
    expect(regionOf(example, 'inner')).toBe('use(a)')
    expect(regionOf(example, 'none')).toBeUndefined()
    expect(regionOf('# #region y\nstore: x\n# #endregion y\n', 'y')).toBe('store: x')
    expect(regionOf('a\nb\n', undefined)).toBe('a\nb')
  })

  it('accepts a block that equals its region, and a reason', () => {
    expect(checkPage(page('<!-- file: examples/a/main.ts#inner -->', 'use(a)'), files).faults).toEqual([])
    expect(checkPage(page('<!-- not run: needs a paid account -->', 'use(a)'), files).faults).toEqual([])
    expect(checkPage(page('', 'npm ci', 'sh'), files).faults).toEqual([])
  })

  it.each([
    ['a block that drifted', '<!-- file: examples/a/main.ts#inner -->', 'ts', 'differs from its file'],
    ['a block without a comment', '', 'ts', 'needs <!-- file'],
    ['a yaml block without a comment', '', 'yaml', 'needs <!-- file'],
    ['a missing reason', '<!-- not run: -->', 'ts', 'say why'],
    ['a missing file', '<!-- file: examples/b/main.ts -->', 'ts', 'does not exist'],
    ['a missing region', '<!-- file: examples/a/main.ts#gone -->', 'ts', 'has no region gone'],
    ['a file that no test runs', '<!-- file: src/index.ts -->', 'ts', 'is not a file that the tests run'],
  ])('finds %s', (_name, comment, language, fault) => {
    const { faults } = checkPage(page(comment, 'other()', language), files)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(fault)
    expect(faults[0]).toMatch(/^4: /)
  })

  it('fills blocks in, and what it wrote is accepted and stays', () => {
    const before = page('<!-- file: examples/a/main.ts#call -->', 'old()') + page('<!-- not run: shell -->', 'x')
    const { filled } = checkPage(before, files)
    expect(filled).toBe(
      page('<!-- file: examples/a/main.ts#call -->', 'const a = 1\n\n  use(a)') + page('<!-- not run: shell -->', 'x'),
    )
    expect(checkPage(filled, files)).toEqual({ filled, faults: [] })
    const empty = '<!-- file: examples/a/main.ts#inner -->\n```ts\n```\n'
    expect(checkPage(empty, files).filled).toBe('<!-- file: examples/a/main.ts#inner -->\n```ts\nuse(a)\n```\n')
  })

  it('does not take a fence inside a longer fence for a block', () => {
    expect(blocksOf('````md\n```ts\nx\n```\n````\n')).toHaveLength(1)
  })
})
