import { join } from 'node:path'
import { playStory, startTown, STORIES, total, type Played } from '../../scenario/index.ts'
import { sqliteStore } from '../../store/sqlite/index.ts'
import { nearest } from '../../contract/index.ts'
import { EXIT, wrongUse } from '../exit-code.ts'
import { colors, print, printJson, table } from '../output.ts'
import { inFolder } from './folder.ts'
import { DEMOS } from './names.ts'

/** `onefold demo` without a name: what there is. */
export function listDemos(json: boolean): number {
  const stories = STORIES.map(({ ids, title }) => ({ name: ids[0], title }))
  const all = [...DEMOS.map(([name, title]) => ({ name, title })), ...stories]
  if (json) printJson(all)
  else print(`${table(all.map(({ name, title }) => [name, title]))}\n\n${colors.dim('onefold demo NAME runs one.')}`)
  return EXIT.ok
}

/** Plays the story of one id of the catalogue on an embedded ledger; 1 when it did not hold. */
export async function demoStory(id: string, json: boolean): Promise<number> {
  const story = STORIES.find(({ ids }) => ids.includes(id))
  if (story === undefined) {
    const meant = nearest(id, [...DEMOS.map(([name]) => name), ...STORIES.flatMap(({ ids }) => ids)])
    throw wrongUse(
      `There is no demonstration ${id}.${meant === undefined ? '' : ` Did you mean ${meant}?`} \`onefold demo\` lists them.`,
    )
  }
  const played = await inFolder(false, async (folder) => {
    const town = await startTown()
    try {
      return await playStory(story, {
        town,
        openStore: (mark) => sqliteStore(join(folder, `${mark}.db`)),
      })
    } finally {
      await town.close()
    }
  })
  if (json) printJson(played)
  else print(report(played))
  return played.verdict === 'held' ? EXIT.ok : EXIT.findings
}

function report(played: Played): string {
  const { baseline, without, with: guarded } = played
  const names = [...new Set([baseline, without, guarded].flatMap(({ books }) => Object.keys(books)))].toSorted()
  const cells = (name: string): string[] => [baseline, without, guarded].map(({ books }) => String(books[name] ?? 0))
  const [head = '', ...lines] = table(
    [
      ['effects', 'wanted', 'without Onefold', 'with Onefold'],
      ...(names.length > MOST_NAMES ? [] : names.map((name) => [name, ...cells(name)])),
      ['all', ...[baseline, without, guarded].map(({ books }) => String(total(books)))],
    ],
    [1, 2, 3],
  ).split('\n')
  return [
    colors.bold(`${played.ids.join(', ')}: ${played.title}`),
    '',
    colors.dim(head),
    ...lines,
    ...(guarded.doubts === 0 ? [] : ['', `In doubt, listed for a person: ${guarded.doubts}`]),
    ...guarded.broken.map((what) => colors.red(`did not hold: ${what}`)),
    '',
    played.verdict === 'held'
      ? colors.green('With Onefold the downstream holds what a single execution leaves behind.')
      : colors.red(`The story is ${played.verdict}.`),
  ].join('\n')
}

/** More names than these are not worth a line each. */
const MOST_NAMES = 12
