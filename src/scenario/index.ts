/**
 * The catalogue of failures as stories over real programs: what users can watch with `onefold demo`, and what the tests run.
 * @module
 */
export { blackFriday, LOAD, type BlackFriday } from './black-friday/story.ts'
export type { DayEnd } from './black-friday/day.ts'
export { connectMcp } from './mcp-client.ts'
export { startProgram } from './program.ts'
export { playStory, total, type Played, type PlayOptions, type Verdict } from './play.ts'
export { STORIES } from './stories/index.ts'
export type { Books, Story } from './story.ts'
export { startTown, type Fault, type Town } from './town.ts'
