import type { Story } from '../story.ts'
import { AGENTS } from './agents.ts'
import { BLACK_FRIDAY } from './black-friday.ts'
import { INCIDENTS } from './incidents.ts'
import { ORDER_STORIES } from './orders.ts'
import { SHAPES } from './shapes.ts'

/** Every story, in the order of the catalogue's chapters. */
export const STORIES: readonly Story[] = [...BLACK_FRIDAY, ...INCIDENTS, ...SHAPES, ...ORDER_STORIES, ...AGENTS]
