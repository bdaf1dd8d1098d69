import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playStory, startTown, STORIES, type Town } from '../../src/scenario/index.ts'
import { openLedgers } from './ledgers.ts'

let town: Town
beforeAll(async () => {
  town = await startTown()
})
afterAll(() => town.close())

describe.each(['memory', 'sqlite'] as const)('on %s', (kind) => {
  const ledgers = openLedgers(kind)
  afterAll(() => ledgers.remove())

  it.for(STORIES.map((story) => [story.ids.map((id) => `[${id}]`).join(''), story.title, story] as const))(
    '%s %s',
    { timeout: 60_000 },
    async ([, , story]) => {
      const played = await playStory(story, { town, openStore: ledgers.open })
      expect(played.with.broken).toEqual([])
      expect(played).toMatchObject({ verdict: 'held' })
    },
  )
})
