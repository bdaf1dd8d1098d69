import type { Store } from '../engine/index.ts'
import { openStage, type Mode } from './stage.ts'
import type { Books, Story } from './story.ts'
import type { Town } from './town.ts'

/** One play's end. */
export interface End {
  readonly books: Books
  /** Doubts that the ledger lists for a person. */
  readonly doubts: number
  /** What was to hold and did not. */
  readonly broken: readonly string[]
}

/**
 * `held`: without Onefold the end state differs from the single execution's, with it, it is equal (or what is missing is
 * listed as a doubt); `toothless`: nothing went wrong without it either, so the story shows nothing; `broken`: it did not hold.
 */
export type Verdict = 'held' | 'toothless' | 'broken'

export interface Played {
  readonly ids: readonly string[]
  readonly title: string
  readonly baseline: End
  readonly without: End
  readonly with: End
  readonly verdict: Verdict
}

export interface PlayOptions {
  readonly town: Town
  /** Opens the ledger of a play by its mark, for the plays behind Onefold. */
  readonly openStore: (mark: string) => Store
}

let plays = 0

/** Plays a story three times and compares the ends. */
export async function playStory(story: Story, options: PlayOptions): Promise<Played> {
  const baseline = await play(story, 'baseline', options)
  const without = await play(story, 'without', options)
  const guarded = await play(story, 'with', options)
  return {
    ids: story.ids,
    title: story.title,
    baseline,
    without,
    with: guarded,
    verdict: verdictOf(baseline, without, guarded),
  }
}

async function play(story: Story, mode: Mode, { town, openStore }: PlayOptions): Promise<End> {
  const mark = `p${(plays += 1)}-${story.ids[0]}`
  const stage = openStage({ mode, town, mark, openStore: () => openStore(mark) })
  try {
    const books = await story.play(stage)
    const end = await stage.end()
    return books === undefined ? end : { ...end, books }
  } finally {
    await stage.close()
  }
}

function verdictOf(baseline: End, without: End, guarded: End): Verdict {
  if (guarded.broken.length > 0 || !isBaseline(baseline, guarded)) return 'broken'
  return isEqual(baseline.books, without.books) ? 'toothless' : 'held'
}

/** Equal, or short of no more than what is listed as a doubt; never beyond. */
function isBaseline({ books }: End, guarded: End): boolean {
  const names = new Set([...Object.keys(books), ...Object.keys(guarded.books)])
  let missing = 0
  for (const name of names) {
    const lack = (books[name] ?? 0) - (guarded.books[name] ?? 0)
    if (lack < 0) return false
    missing += lack
  }
  return missing <= guarded.doubts
}

const isEqual = (one: Books, other: Books): boolean =>
  Object.keys({ ...one, ...other }).every((name) => (one[name] ?? 0) === (other[name] ?? 0))

/** All effects in the books. */
export const total = (books: Books): number => Object.values(books).reduce((sum, count) => sum + count, 0)
