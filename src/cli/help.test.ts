import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createProgram } from './program.ts'

const WIDTH = 100

/** docs/reference/cli.md: every command's `--help`, as it is. A test keeps the file equal to it. */
function helpPage(): string {
  const program = createProgram(() => {})
  const groups = program.commands.filter(({ commands }) => commands.length > 0)
  const commands = [
    program,
    ...program.commands.flatMap((command) => (groups.includes(command) ? command.commands : command)),
  ]
  const sections = commands.map((command) => {
    let text = ''
    command.configureOutput({
      writeOut: (part) => (text += part),
      getOutHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
    })
    command.outputHelp()
    const name = [command.parent?.parent, command.parent, command].flatMap((one) => one?.name() ?? []).join(' ')
    return `## \`${name}\`\n\n\`\`\`text\n${text.trim()}\n\`\`\`\n`
  })
  return `${INTRODUCTION}\n${sections.join('\n')}`
}

const INTRODUCTION = `# Command line

What every command of \`onefold\` takes, as \`--help\` prints it. How to settle doubts with it: [the ledger, for people](../guides/ledger.md).

- \`--config\`, \`--store\` and \`--tenant\` say which ledger; \`--json\` prints data wherever output is data, errors included.
- Colours only on a terminal, never with \`NO_COLOR\`; \`FORCE_COLOR=1\` forces them.
- Exit codes: \`0\` ok · \`1\` findings, or a check that failed, or an operation that cannot be settled like that · \`2\` wrong use: flags, configuration, a key that is not there · \`3\` the ledger is not available: missing, unreadable, damaged, locked, newer.
- A mistyped command or flag is an error with a suggestion; nothing runs.
`

const page = fileURLToPath(new URL('../../docs/reference/cli.md', import.meta.url))

it('docs/reference/cli.md is what --help prints (vitest -u writes it)', async () => {
  await expect(helpPage()).toMatchFileSnapshot(page)
  expect(helpPage()).toContain('## `onefold ledger resolve`')
})

it('every command has a description and examples', () => {
  const program = createProgram(() => {})
  const all = program.commands.flatMap((command) => [command, ...command.commands])
  for (const command of all) expect(command.description(), command.name()).not.toBe('')
  for (const section of helpPage().split('\n## ').slice(1)) expect(section).toContain('Examples:')
})
