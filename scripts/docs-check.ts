/**
 * `npm run docs`: every code block of README.md and docs/ equals the file it names; `--write` fills the blocks in.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkPage } from './docs-check-blocks.ts'

const { values: flags } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string | undefined =>
  existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined

let left = 0
for (const page of globSync(['README.md', 'docs/**/*.md'], { cwd: root }).toSorted()) {
  const text = readFileSync(join(root, page), 'utf8')
  const { filled } = checkPage(text, read)
  if (flags.write && filled !== text) writeFileSync(join(root, page), filled)
  const { faults } = checkPage(flags.write ? filled : text, read)
  for (const fault of faults) console.log(`${page}:${fault}`)
  left += faults.length
}
console.log(left === 0 ? 'docs: every code block equals its file' : `docs: ${left} blocks to mend`)
process.exitCode = left === 0 ? 0 : 1
