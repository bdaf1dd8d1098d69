import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playStory, startTown, STORIES, type Town } from '../../src/scenario/index.ts'
import { LEDGERS, type LedgerKind, type Ledgers } from './ledgers.ts'

const KINDS = ['sqlite', 'postgres', 'redis'] as const satisfies readonly LedgerKind[]

let town: Town
beforeAll(async () => {
  town = await startTown()
})
afterAll(() => town.close())

for (const kind of KINDS) {
  describe(`on ${kind}`, () => {
    let ledgers: Ledgers | undefined
    beforeAll(async () => {
      ledgers = await LEDGERS[kind]()
    }, 60_000)
    afterAll(() => ledgers?.close())

    for (const story of STORIES) {
      it(`${story.ids.map((id) => `[${id}]`).join('')} ${story.title}`, { timeout: 120_000 }, async ({ skip }) => {
        if (ledgers === undefined) return skip(`${kind} is not installed`)
        const played = await playStory(story, { town, openStore: ledgers.open })
        expect(played.with.broken).toEqual([])
        expect(played).toMatchObject({ verdict: 'held' })
      })
    }
  })
}
