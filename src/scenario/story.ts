import type { Stage } from './stage.ts'

/** What a story's downstreams hold at its end: effects by their reference, or whatever else the story counts. */
export type Books = Readonly<Record<string, number>>

/**
 * One failure of the catalogue as a story. It is played three times against the same real programs: once without any
 * fault (the baseline: what a single execution leaves behind), once without Onefold, and once with it.
 */
export interface Story {
  /** Ids of the catalogue that this story shows. */
  readonly ids: readonly [string, ...string[]]
  readonly title: string
  /** Resolves to what is compared, where that is not the effects by their reference. */
  play(stage: Stage): Promise<Books | void>
}

/** A story by its ids, its title and what happens in it. */
export function story(ids: string, title: string, play: Story['play']): Story {
  return { ids: ids.split(' ') as [string, ...string[]], title, play }
}
